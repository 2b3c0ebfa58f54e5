// The first-party app in examples/: its own login form, and a question before everything it does.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { test } from "node:test";
import { cli, demo } from "./server.mjs";

const root = new URL("../../../", import.meta.url).pathname;

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Registers a client and a role, and starts the app. */
async function start(t) {
  const port = await freePort();
  const name = `first-party-${port}`;
  const { client_secret: secret } = cli(
    "client", "create", "--web", "--client-id", name, "--name", "Our documents",
    "--redirect-uri", `http://localhost:${port}/`, "--consent", "implied", "--first-party-login",
    "--allow-permission", "document:*",
    "--scope", "openid profile email offline_access permissions authorize:check",
  );
  cli("role", "add", `librarian-${port}`, "--permission", "document:read", "--permission", "document:write:1");
  cli("user", "roles", demo.user.username, "--add", `librarian-${port}`);
  const child = spawn(process.execPath, ["examples/first-party/server.mjs"], {
    cwd: root,
    env: { ...process.env, PORT: port, ISSUER: demo.issuer, CLIENT_ID: name, CLIENT_SECRET: secret },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill());
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", (code) => reject(new Error(`the app ended with ${code}`)));
  });
  t.after(() => cli("user", "roles", demo.user.username, "--remove", `librarian-${port}`));
  return new Visit(`http://localhost:${port}`, `librarian-${port}`);
}

/** A browser as far as the app needs one. */
class Visit {
  cookies = new Map();

  constructor(origin, role) {
    Object.assign(this, { origin, role });
  }

  async send(path, fields) {
    const answer = await fetch(`${this.origin}${path}`, {
      method: fields ? "POST" : "GET",
      body: fields && new URLSearchParams(fields),
      headers: { cookie: [...this.cookies].map((pair) => pair.join("=")).join("; "), origin: this.origin },
      redirect: "manual",
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(";")[0].split("=");
      this.cookies.set(name, value);
    }
    if (answer.status === 303) return this.send(answer.headers.get("location"));
    return { status: answer.status, text: await answer.text() };
  }

  logIn(password = demo.user.password) {
    return this.send("/login", { username: demo.user.username, password });
  }
}

test("the first-party app logs in, and shows and changes what the user may", async (t) => {
  const visit = await start(t);
  assert.equal((await visit.logIn("wrong")).status, 401);
  const home = await visit.logIn();
  assert.equal(home.status, 200, home.text);
  assert.match(home.text, /Document 2<\/a>/);
  assert.equal((await visit.send("/documents/2")).status, 200);
  const changed = await visit.send("/documents/1", { text: "<b>changed" });
  assert.match(changed.text, /&#60;b&#62;changed/);
  const refused = await visit.send("/documents/2", { text: "no" });
  assert.equal(refused.status, 403);
  assert.match(refused.text, /no_permission/);
});

test("what is taken from the user is gone at the first-party app's next question", async (t) => {
  const visit = await start(t);
  await visit.logIn();
  assert.equal((await visit.send("/documents/1")).status, 200);
  cli("user", "roles", demo.user.username, "--remove", visit.role);
  // A change of the command line is seen within half a second.
  for (let turn = 0; turn < 50 && (await visit.send("/documents/1")).status === 200; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const refused = await visit.send("/documents/1");
  assert.match(refused.text, /no_permission/);
  cli("user", "roles", demo.user.username, "--add", visit.role);
});

test("a logout of the first-party app ends its session", async (t) => {
  const visit = await start(t);
  await visit.logIn();
  const before = visit.cookies.get("session");
  assert.match((await visit.send("/logout", {})).text, /id="login"/);
  visit.cookies.set("session", before);
  assert.match((await visit.send("/")).text, /id="login"/);
});
