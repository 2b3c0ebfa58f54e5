// The life of an account as its user sees it, from the invitation to the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dev, devCli, inspect, openBrowser, signIn, startApp } from "./support.mjs";

const user = { username: "walker", password: "seven quiet lanterns" };
const at = (path) => `${dev.issuer}${path}`;

test("an account lives from its invitation to its deletion", async (t) => {
  const app = await startApp(t, { issuer: dev.issuer, command: devCli, name: "Reading room" });
  const page = await openBrowser(t);

  // Invited by an administrator, over the API; the mail holds the way in.
  const administration = await administrator();
  const made = await administration("POST", "/users", { username: user.username, email: "walker@example.com" });
  await administration("POST", `/users/${made.id}/invitation`);
  await followMail(page, "walker@example.com", "made an account for you");
  await page.waitForSelector("main#new-password");
  await inspect(page, "invitation");
  await page.click("button.show >> nth=0");
  assert.equal(await page.getAttribute("#password", "type"), "text", "the button shows what is typed");
  await page.fill("#password", user.password);
  await page.fill("#again", "something else entirely");
  await page.click("#save");
  await page.waitForSelector("[role=alert]");
  await inspect(page, "invitation-refused");
  await page.fill("#password", user.password);
  await page.fill("#again", user.password);
  await page.click("#save");
  await page.waitForSelector("main#password-set");
  await inspect(page, "password-set");

  // Signs in at an application.
  await page.goto(app.authorize({ scope: "openid profile email" }));
  await page.waitForSelector("main#sign-in");
  await inspect(page, "login");
  await signIn(page, { ...user, password: "wrong password" });
  await page.waitForSelector("#login-error");
  await inspect(page, "login-refused");
  await signIn(page, user);
  await page.waitForSelector("main#consent");
  await inspect(page, "consent");
  await page.click("#approve");
  assert.ok((await app.answer).get("code"));

  // And on another device.
  const other = await openBrowser(t);
  await other.goto(at("/account"));
  await signIn(other, user);
  await other.waitForSelector("main#account");

  // Says something about themselves.
  await page.goto(at("/account/profile"));
  await inspect(page, "profile");
  await page.fill("#phone_number", "not a number");
  await page.click("#save-profile");
  await page.waitForSelector("#profile-error");
  await inspect(page, "profile-refused");
  await page.fill("#phone_number", "+41 44 668 18 00");
  await page.fill("#given_name", "Wilhelmina");
  await page.click("#save-profile");
  await page.waitForSelector("#account-done");
  await inspect(page, "account");

  // Another address.
  await page.fill("#email", "wanderer@example.com");
  await page.fill("#email-current", user.password);
  await page.click("#save-email");
  await page.waitForLoadState();
  await inspect(page, "email-asked");
  await followMail(page, "wanderer@example.com", "replace the one of your account");
  await inspect(page, "email-confirm");
  await page.click("main button[type=submit]");
  await page.waitForLoadState();
  await inspect(page, "email-confirmed");
  await page.goto(at("/account"));
  assert.match(await page.textContent("dl.facts"), /wanderer@example\.com/);
  await mailTo(page, "walker@example.com", "Another address has taken the place");

  // Ends the session on the other device.
  await page.goto(at("/account"));
  await page.click(".session form button");
  assert.match(await page.textContent("#account-done"), /session has ended/);
  await other.goto(at("/account"));
  await other.waitForSelector("main#sign-in");
  await inspect(other, "login-own");

  // Takes the application's access back.
  await page.click("section[aria-labelledby=applications] button");
  assert.match(await page.textContent("#account-done"), /access is withdrawn/);
  await page.goto(app.authorize());
  await page.waitForSelector("main#consent");

  // Forgets the password.
  await other.click("#forgot");
  await other.waitForSelector("main#ask");
  await inspect(other, "forgot");
  await other.fill("#name", user.username);
  await other.click("#send");
  await other.waitForSelector("main#new-password");
  await inspect(other, "forgot-sent");
  await followMail(other, "wanderer@example.com", "asked for a new password");
  user.password = "nine slow ferries north";
  await other.fill("#password", user.password);
  await other.fill("#again", user.password);
  await other.click("#save");
  await other.waitForSelector("main#password-set");
  await page.goto(at("/account"));
  await page.waitForSelector("main#sign-in"); // signed out by it
  await signIn(page, user);
  await page.waitForSelector("main#account");

  // And leaves.
  await page.click("#delete-account");
  await page.waitForSelector("main#delete-account");
  await inspect(page, "delete");
  await page.fill("#current", "wrong password");
  await page.click("#delete");
  await page.waitForSelector("#delete-error");
  await inspect(page, "delete-refused");
  await page.fill("#current", user.password);
  await page.click("#delete");
  await page.waitForSelector("main#deletion-requested");
  await inspect(page, "deletion-requested");
  await page.goto(at("/login?return_to=/account"));
  await signIn(page, user);
  await page.waitForSelector("#login-error");
  await mailTo(page, "wanderer@example.com", "will be deleted on");
  await inspect(page, "dev-mail");
});

test("every page can be used without scripts", async (t) => {
  const page = await openBrowser(t, { javaScriptEnabled: false });
  devCli("user", "add", "noscript", "--email", "noscript@example.com", "--email-verified", "--no-password");
  await page.goto(at("/forgot"));
  await page.fill("#name", "noscript");
  await page.click("#send");
  await followMail(page, "noscript@example.com", "asked for a new password");
  await page.fill("#password", "seven quiet lanterns");
  await page.fill("#again", "seven quiet lanterns");
  await page.click("#save");
  await page.waitForSelector("main#password-set");
  await page.goto(at("/account"));
  await signIn(page, { username: "noscript", password: "seven quiet lanterns" });
  await page.waitForSelector("main#account");
  assert.equal(await page.locator("button.show").count(), 0);
  await page.click("#delete-account");
  await page.fill("#current", "seven quiet lanterns");
  await page.click("#delete");
  await page.waitForSelector("main#deletion-requested");
});

/** The administration API as a service that may do everything. */
async function administrator() {
  const audience = at("/api/admin");
  const service = devCli("client", "create", "--service", "--name", "Walk", "--scope", "*", "--resource", audience);
  const answer = await fetch(at("/oauth2/token"), {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${service.client_id}:${service.client_secret}`)}` },
    body: new URLSearchParams({ grant_type: "client_credentials", scope: "*", resource: audience }),
  });
  const { access_token } = await answer.json();
  return async (method, path, body) => {
    const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
    const response = await fetch(`${audience}${path}`, { method, headers, body: body && JSON.stringify(body) });
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
    return response.status === 204 ? undefined : response.json().catch(() => undefined);
  };
}

/** The mail with these words to this address, once it has been sent. */
async function mailTo(page, address, words) {
  const letters = page.locator("article.letter", { hasText: words }).filter({ hasText: address });
  for (let tries = 0; tries < 60; tries += 1) {
    await page.goto(at("/dev/mail"));
    if (await letters.count()) return letters.first();
    await page.waitForTimeout(500);
  }
  throw new Error(`no mail to ${address} says "${words}"`);
}

/** Follows the link of that mail. */
async function followMail(page, address, words) {
  const letter = await mailTo(page, address, words);
  await letter.locator("ul.rows a").first().click();
  await page.waitForLoadState();
}
