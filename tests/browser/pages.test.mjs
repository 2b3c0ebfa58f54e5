// Our pages in Chromium: small screens, keyboard, content security policy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { demo, dev, inspect, openBrowser, shot, signIn, startApp } from "./support.mjs";

test("no page overflows, on a screen or a phone, and axe-core finds nothing serious", async (t) => {
  const page = await openBrowser(t);
  const app = await startApp(t);
  const look = async (name, main) => {
    await page.waitForSelector(`main#${main}`);
    await inspect(page, name);
  };

  await page.goto(demo.issuer);
  await look("index", "index");
  await page.goto(`${demo.issuer}/oauth2/authorize?client_id=nobody`);
  await look("error", "error");
  await page.goto(app.authorize());
  await look("login", "sign-in");
  await page.fill("#username", "nobody");
  await page.fill("#password", "wrong");
  await page.click("#login");
  await page.waitForSelector("#login-error");
  await look("login-failed", "sign-in");
  await signIn(page);
  await look("consent", "consent");
  await page.goto(app.authorize({ prompt: "login" }));
  await look("login-confirm", "sign-in");
  await page.click("#another-account");
  await look("login-another", "sign-in");
  await page.goto(app.authorize({ prompt: "select_account" }));
  await look("choose", "choose");
  await page.goto(`${demo.issuer}/oauth2/authorize/resume?interaction=x&client_id=${app.client_id}`);
  await look("expired", "error");
  await page.goto(`${demo.issuer}/oauth2/logout`);
  await look("logout", "sign-out");
  await page.click("#logout");
  await look("logged-out", "logged-out");
  await page.goto(`${dev.issuer}/playground`);
  await look("playground", "playground");
});

test("a second tab goes on once the first has signed in, and an account can be chosen or changed", async (t) => {
  const app = await startApp(t);
  const first = await openBrowser(t);
  const second = await first.context().newPage();
  await first.goto(app.authorize());
  await second.goto(app.authorize());
  await signIn(first);
  await first.waitForSelector("main#consent");
  await second.reload();
  await second.waitForSelector("main#consent"); // without a password
  await second.click("#another-account");
  await second.waitForSelector("main#sign-in");
  await shot(second, "login-another");

  await second.goto(app.authorize({ prompt: "login" }));
  assert.match(await second.textContent("h1"), /Confirm it is you/);
  assert.equal(await second.inputValue("#username"), demo.user.username);
  await shot(second, "login-confirm");

  await second.goto(app.authorize({ prompt: "select_account" }));
  await second.waitForSelector("main#choose");
  await shot(second, "choose");
  await second.click("#account");
  await second.waitForSelector("main#consent");
});

test("the address of the login page survives a wrong password", async (t) => {
  const app = await startApp(t);
  const page = await openBrowser(t);
  await page.goto(app.authorize());
  await signIn(page, { username: demo.user.username, password: "wrong" });
  await page.waitForSelector("#login-error");
  await page.goto(page.url());
  await signIn(page);
  await page.waitForSelector("main#consent");
});

test("a browser without cookies is told before anybody types", async (t) => {
  const app = await startApp(t);
  const page = await openBrowser(t, { preferences: { default_content_setting_values: { cookies: 2 } } });
  await page.goto(app.authorize());
  assert.equal(await page.getAttribute("#error", "data-cause"), "no_cookies");
  assert.equal(await page.locator("#application").count(), 1, "there is a way on");
  await shot(page, "no-cookies");
});

test("login and consent work with the keyboard alone", async (t) => {
  const app = await startApp(t);
  const page = await openBrowser(t);
  const keys = page.keyboard;
  await page.goto(app.authorize());
  assert.equal(await page.evaluate(() => document.activeElement.id), "username", "the cursor waits in the first field");
  await keys.type(demo.user.username);
  await keys.press("Tab");
  await keys.type(demo.user.password);
  await keys.press("Enter");
  await page.waitForSelector("main#consent");
  for (let tabs = 0; (await page.evaluate(() => document.activeElement.id)) !== "approve"; tabs += 1) {
    assert.ok(tabs < 10, "the button is out of reach");
    await keys.press("Tab");
  }
  await keys.press("Enter");
  assert.ok((await app.answer).get("code"));
});

for (const mode of ["query", "form_post"]) {
  test(`the policy of the pages lets the ${mode} answer through after consent`, async (t) => {
    const app = await startApp(t);
    const page = await openBrowser(t);
    await page.goto(app.authorize({ response_mode: mode }));
    await signIn(page);
    await page.click("#approve");
    const answer = await app.answer;
    assert.ok(answer.get("code"));
    assert.equal(answer.get("state"), "a state with spaces & signs");
    assert.equal(answer.get("iss"), demo.issuer);
  });
}

test("the form post answer works without JavaScript", async (t) => {
  const app = await startApp(t);
  const page = await openBrowser(t, { javaScriptEnabled: false });
  await page.goto(app.authorize({ response_mode: "form_post" }));
  await signIn(page);
  await page.click("#approve");
  await page.click("#continue");
  assert.ok((await app.answer).get("code"));
});
