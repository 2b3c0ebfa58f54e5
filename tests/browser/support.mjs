// Chromium, the example apps, and the server under test, for the browser tests.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const root = new URL("../../", import.meta.url).pathname;
const shots = join(root, "test-output");

function needed(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run these tests with scripts/test --only browser`);
  return value;
}

export const demo = JSON.parse(readFileSync(needed("COUNTERSIGN_DEMO"), "utf8"));

/** What `countersign dev` printed. */
export const dev = JSON.parse(readFileSync(needed("COUNTERSIGN_DEV"), "utf8"));

/** Runs the command line of Countersign on the same database. */
export function cli(...args) {
  return JSON.parse(execFileSync(needed("COUNTERSIGN_BIN"), [...args, "--output", "json"], { encoding: "utf8" }));
}

/** A browser with one page, closed after the test. What the page's console complains about fails the test. */
export async function openBrowser(t, { preferences, ...options } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "countersign-chromium."));
  if (preferences) {
    mkdirSync(join(profile, "Default"));
    writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify({ profile: preferences }));
  }
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
    viewport: { width: 1280, height: 900 },
    ...options,
  });
  const complaints = [];
  context.on("console", (message) => {
    if (/content security policy|refused to/i.test(message.text())) complaints.push(message.text());
  });
  t.after(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
    assert.deepEqual(complaints, [], "the browser refused something");
  });
  context.setDefaultTimeout(20_000);
  return context.pages()[0];
}

/** Keeps a picture of the page in test-output/. */
export async function shot(page, name) {
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** Fills in the login page. */
export async function signIn(page, user = demo.user) {
  await page.fill("#username", user.username);
  await page.fill("#password", user.password);
  await page.click("#login");
}

/** A free port on loopback. */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Starts a program, waits until it prints a line, and stops it after the test. */
export async function start(t, command, args, { cwd = root, env = {} } = {}) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill());
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", (code) => reject(new Error(`${command} ${args} ended with ${code}`)));
    child.once("error", reject);
  });
}

export const example = (name) => join(root, "examples", name);

/** Starts the example resource server. */
export async function startApi(t, settings = {}) {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const env = { ISSUER: demo.issuer, AUDIENCE: url, LISTEN: `127.0.0.1:${port}`, ...settings };
  await start(t, needed("RESOURCE_SERVER_BIN"), [], { env });
  return url;
}
