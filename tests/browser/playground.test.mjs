// The playground of `countersign dev`: the whole flow, step by step, with a picture of each.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dev, openBrowser, shot, signIn } from "./support.mjs";

test("the playground completes login, consent, tokens, verification, refresh and logout", async (t) => {
  const page = await openBrowser(t);
  const done = (title) =>
    page.locator("li.ok", { has: page.locator("h2", { hasText: new RegExp(`^${title}$`) }) }).last().waitFor();
  const noneFailed = async () => assert.equal(await page.locator("li.failed").count(), 0, await page.textContent("main"));
  const step = async (id, title) => {
    await page.click(`#${id}`);
    await done(title);
    await noneFailed();
    await shot(page, `playground-${id}`);
  };

  await page.goto(`${dev.issuer}/playground`);
  await shot(page, "playground-empty");
  await page.click("#start");
  await page.waitForSelector("main#sign-in");
  await shot(page, "login");
  await signIn(page, dev.user);
  await page.waitForSelector("main#consent");
  await shot(page, "consent");
  await page.click("#approve");
  for (const title of ["Discovery", "Signing keys", "Token request", "ID token", "Access token"]) await done(title);
  await noneFailed();
  await shot(page, "playground-tokens");

  await step("userinfo", "Userinfo");
  await step("introspect", "Introspection");
  await step("refresh", "Refresh");

  await page.click("#logout");
  await page.waitForSelector("main#playground, main#sign-out");
  if (await page.locator("main#sign-out").count()) await page.click("#logout");
  await page.waitForSelector("main#playground");
  await done("Sign-out");
  await noneFailed();
  await shot(page, "playground-logged-out");
  await page.click("#start");
  await page.waitForSelector("main#sign-in"); // the session is over
});
