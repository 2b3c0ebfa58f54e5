// The example single-page app (oidc-client-ts) in Chromium, and the API it calls.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cli, demo, example, freePort, openBrowser, shot, signIn, start, startApi } from "./support.mjs";

test("the single-page app logs in, asks userinfo, calls its API, refreshes and logs out", async (t) => {
  const api = await startApi(t);
  const { page, origin } = await openApp(t, api);
  const output = async (id) => {
    await page.evaluate(() => (document.getElementById("output").textContent = ""));
    await page.click(id);
    return JSON.parse(await page.locator("#output", { hasText: "{" }).textContent());
  };

  await page.click("#login");
  await signIn(page);
  await page.waitForSelector("main#consent");
  await shot(page, "spa-consent");
  await page.click("#approve");
  await page.waitForURL(`${origin}/`);
  await page.getByText("Logged in as").waitFor();
  await shot(page, "spa-logged-in");

  const userinfo = await output("#userinfo");
  assert.equal(userinfo.status, 200);
  assert.ok(userinfo.body.email, JSON.stringify(userinfo));
  assert.equal((await output("#whoami")).status, 200);

  const before = await storedTokens(page);
  assert.equal((await output("#refresh")).refreshed, true);
  const after = await storedTokens(page);
  assert.notEqual(after.access_token, before.access_token);
  assert.notEqual(after.refresh_token, before.refresh_token, "the refresh token of a public client rotates");
  assert.equal((await output("#whoami")).status, 200, "the refreshed token serves");

  await page.click("#logout");
  await page.getByText("Logged out").waitFor();
  await page.click("#login");
  await page.waitForSelector("main#sign-in"); // the provider's session is gone too
});

test("the single-page app notices that the session ended in another window", async (t) => {
  const { page, origin } = await openApp(t, await startApi(t));
  await page.click("#login");
  await signIn(page);
  await page.click("#approve");
  await page.waitForURL(`${origin}/`);
  await page.getByText("Logged in as").waitFor();
  await page.waitForTimeout(5_000); // longer than the frame is asked for
  assert.match(await page.textContent("#status"), /Logged in as/, "as long as nothing changes, it stays");
  const other = await page.context().newPage();
  await other.goto(`${demo.issuer}/oauth2/logout`);
  await other.click("#logout");
  await other.waitForSelector("main#logged-out");
  await page.getByText("Logged out elsewhere").waitFor();
  assert.equal(await page.evaluate(() => Object.keys(sessionStorage).some((key) => key.startsWith("oidc.user:"))), false);
});

test("the API wants its audience, an access token, and scope and permission for reports", async (t) => {
  const api = await startApi(t);
  const elsewhere = await startApi(t, { AUDIENCE: "http://localhost:1" });
  const { page } = await openApp(t, api);
  await page.click("#login");
  await signIn(page);
  await page.click("#approve");
  await page.getByText("Logged in as").waitFor();
  const { access_token, id_token } = await storedTokens(page);
  const get = async (url, token = access_token) => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    return [response.status, (await response.json()).error];
  };

  assert.deepEqual(await get(`${api}/whoami`), [200, undefined]);
  assert.deepEqual(await get(`${api}/reports`), [403, "insufficient_scope"]);
  assert.deepEqual(await get(`${elsewhere}/whoami`), [401, "invalid_token"]);
  assert.deepEqual(await get(`${api}/whoami`, id_token), [401, "invalid_token"]);
  assert.deepEqual(await get(`${api}/whoami`, access_token.slice(0, -8) + "AAAAAAAA"), [401, "invalid_token"]);

  // The scope was granted; the permission comes with a role, in the next access token.
  cli("role", "add", "reporter", "--permission", "reports:read");
  cli("user", "roles", demo.user.username, "--add", "reporter");
  // A running server finds what the command line changed within half a second.
  const refreshed = async () => {
    await page.evaluate(() => (document.getElementById("output").textContent = ""));
    await page.click("#refresh");
    await page.locator("#output", { hasText: "refreshed" }).waitFor();
    return get(`${api}/reports`, (await storedTokens(page)).access_token);
  };
  let answer = await refreshed();
  for (let tries = 0; answer[0] !== 200 && tries < 20; tries += 1) {
    await page.waitForTimeout(250);
    answer = await refreshed();
  }
  assert.deepEqual(answer, [200, undefined]);
});

/** Registers a client for the app on a free port, starts the app and opens it. */
async function openApp(t, api) {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  cli("resource", "add", api, "--name", "Example API", "--scope", "reports:read");
  const { client_id } = cli(
    "client", "create", "--spa", "--name", "Example app",
    "--scope", "openid profile email offline_access reports:read",
    "--redirect-uri", `${origin}/callback`, "--post-logout-redirect-uri", `${origin}/`, "--resource", api,
  );
  const env = { PORT: port, ISSUER: demo.issuer, CLIENT_ID: client_id, API: api };
  await start(t, "node", ["server.mjs"], { cwd: example("spa"), env });
  const page = await openBrowser(t);
  await page.goto(origin);
  return { page, origin };
}

const storedTokens = (page) =>
  page.evaluate(() => JSON.parse(sessionStorage.getItem(Object.keys(sessionStorage).find((key) => key.startsWith("oidc.user:")))));
