// The example web app (openid-client) in Chromium: tokens stay on its server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cli, demo, example, freePort, openBrowser, shot, signIn, start } from "./support.mjs";

test("the web app logs in, asks userinfo, refreshes and logs out", async (t) => {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const { client_id, client_secret } = cli(
    "client", "create", "--web", "--name", "Example web app",
    "--redirect-uri", `${origin}/callback`, "--post-logout-redirect-uri", `${origin}/`,
  );
  const env = { PORT: port, ISSUER: demo.issuer, CLIENT_ID: client_id, CLIENT_SECRET: client_secret };
  await start(t, "node", ["server.mjs"], { cwd: example("web-app"), env });
  const page = await openBrowser(t);

  await page.goto(origin);
  await page.click("#login");
  await signIn(page);
  await page.click("#approve");
  await page.getByText("Logged in as").waitFor();
  await shot(page, "web-app-logged-in");

  await page.click("#userinfo");
  assert.ok(JSON.parse(await page.textContent("#output")).email);
  await page.click("a");
  await page.click("#refresh");
  await page.getByText("Refreshed 1 times").waitFor();
  await page.click("#refresh");
  await page.getByText("Refreshed 2 times").waitFor();

  await page.click("#logout");
  await page.waitForURL(`${origin}/`);
  await page.click("#login");
  await page.waitForSelector("main#sign-in");
});
