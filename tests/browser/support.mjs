// Chromium, the example apps, and the server under test, for the browser tests.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createRequire } from "node:module";
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

/** The same on the database of `countersign dev`. */
export function devCli(...args) {
  const env = { ...process.env, COUNTERSIGN_CONFIG: dev.config };
  return JSON.parse(execFileSync(needed("COUNTERSIGN_BIN"), [...args, "--output", "json"], { encoding: "utf8", env }));
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

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Looks at a page on a screen and on a phone, light and dark: nothing overflows, axe-core finds nothing serious,
 * and a picture of each is kept.
 */
export async function inspect(page, name) {
  const before = page.viewportSize();
  for (const colorScheme of ["light", "dark"]) {
    // Without motion: a color on its way from one scheme to the other is none of ours.
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of [1280, 360, 320]) {
      await page.setViewportSize({ width, height: 800 });
      const needs = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(needs <= width, `${name} needs ${needs} of ${width} pixels`);
      if (width === 320) continue;
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
      const found = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
      assert.deepEqual(found, [], `${name}, ${width} pixels, ${colorScheme}`);
      await shot(page, `${name}-${width}-${colorScheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
  await page.setViewportSize(before);
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

/** A client whose callback collects the answer. It lives on 127.0.0.1: another site than the provider. */
export async function startApp(t, { issuer = demo.issuer, command = cli, name = "Small app" } = {}) {
  let resolve;
  const answer = new Promise((done) => (resolve = done));
  const server = createHttpServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      const { pathname, searchParams } = new URL(request.url, "http://localhost");
      if (pathname === "/callback") resolve(request.method === "POST" ? new URLSearchParams(body) : searchParams);
      response.setHeader("content-type", "text/html").end("<!doctype html><title>Answered</title>");
    });
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  t.after(() => server.close());
  const redirect_uri = `http://127.0.0.1:${server.address().port}/callback`;
  const { client_id } = command("client", "create", "--web", "--name", name, "--redirect-uri", redirect_uri);
  const challenge = createHash("sha256").update(randomBytes(32).toString("hex")).digest("base64url");
  const authorize = (more = {}) => {
    const parameters = {
      client_id, redirect_uri, response_type: "code", scope: "openid profile email",
      state: "a state with spaces & signs", code_challenge: challenge, code_challenge_method: "S256", ...more,
    };
    return `${issuer}/oauth2/authorize?${new URLSearchParams(parameters)}`;
  };
  return { authorize, answer, client_id };
}
