// Login on the server, on openid-client: the browser holds a session cookie and never sees a token.
import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import * as client from "openid-client";

const port = Number(process.env.PORT ?? 3000);
const origin = `http://localhost:${port}`;
const issuer = new URL(process.env.ISSUER ?? "http://localhost:8080");
const clientId = process.env.CLIENT_ID ?? "demo-web";
const clientSecret = process.env.CLIENT_SECRET;
if (!clientSecret) throw new Error("set CLIENT_SECRET: `countersign dev` prints it");

const provider = await client.discovery(issuer, clientId, {}, client.ClientSecretBasic(clientSecret), {
  // Only for a provider on this machine; elsewhere https is a must.
  execute: issuer.protocol === "http:" ? [client.allowInsecureRequests] : [],
});

// Sessions by id. An app with more than one process would keep them in a database.
const sessions = new Map();
const COOKIE = "session";

function openSession(response, content) {
  const id = randomBytes(32).toString("base64url");
  sessions.set(id, content);
  const secure = origin.startsWith("https:") ? "; Secure" : "";
  response.setHeader("set-cookie", `${COOKIE}=${id}; Path=/; HttpOnly; SameSite=Lax${secure}`);
}

function sessionId(request) {
  const cookies = (request.headers.cookie ?? "").split("; ").map((pair) => pair.split("="));
  return cookies.find(([name]) => name === COOKIE)?.[1];
}

const routes = {
  "GET /": (_request, response, session) => {
    page(response, session?.claims ? home(session) : `<form action="/login" method="post"><button id="login">Log in</button></form>`);
  },

  "POST /login": async (_request, response) => {
    const login = { verifier: client.randomPKCECodeVerifier(), state: client.randomState(), nonce: client.randomNonce() };
    openSession(response, { login });
    redirect(response, client.buildAuthorizationUrl(provider, {
      redirect_uri: `${origin}/callback`,
      scope: "openid profile email offline_access",
      code_challenge: await client.calculatePKCECodeChallenge(login.verifier),
      code_challenge_method: "S256",
      state: login.state,
      nonce: login.nonce,
    }));
  },

  "GET /callback": async (request, response, session) => {
    if (!session?.login) return page(response, "<p>This login was started elsewhere.</p>", 400);
    const tokens = await client.authorizationCodeGrant(provider, new URL(request.url, origin), {
      pkceCodeVerifier: session.login.verifier,
      expectedState: session.login.state,
      expectedNonce: session.login.nonce,
      idTokenExpected: true,
    });
    // A new session id at login: whoever knew the old one must not share the user's session.
    sessions.delete(sessionId(request));
    openSession(response, { tokens, claims: tokens.claims(), refreshed: 0 });
    redirect(response, "/");
  },

  "POST /userinfo": async (_request, response, { tokens, claims }) => {
    const info = await client.fetchUserInfo(provider, tokens.access_token, claims.sub);
    page(response, `<pre id="output">${escape(JSON.stringify(info, null, 2))}</pre><a href="/">Back</a>`);
  },

  "POST /refresh": async (_request, response, session) => {
    const tokens = await client.refreshTokenGrant(provider, session.tokens.refresh_token);
    session.tokens = { ...session.tokens, ...tokens }; // a rotated refresh token replaces the old one
    session.refreshed += 1;
    redirect(response, "/");
  },

  "POST /logout": (request, response, { tokens }) => {
    sessions.delete(sessionId(request));
    redirect(response, client.buildEndSessionUrl(provider, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: `${origin}/`,
    }));
  },
};
const needsUser = ["POST /userinfo", "POST /refresh", "POST /logout"];

const home = ({ claims, refreshed }) => `
  <p id="status">Logged in as ${escape(claims.sub)}</p>
  <p>Refreshed <span id="refreshed">${refreshed}</span> times.</p>
  ${["userinfo", "refresh", "logout"].map((name) => `<form action="/${name}" method="post"><button id="${name}">${name}</button></form>`).join("")}`;

const escape = (text) => String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

function page(response, body, status = 200) {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(`<!doctype html><html lang="en"><title>Example web app</title><h1>Example web app</h1>${body}</html>`);
}

function redirect(response, location) {
  response.writeHead(303, { location: String(location) }).end();
}

createServer(async (request, response) => {
  try {
    const { pathname } = new URL(request.url, origin);
    const name = `${request.method} ${pathname}`;
    const session = sessions.get(sessionId(request));
    if (!routes[name]) return page(response, "<p>Not found.</p>", 404);
    // The cookie is SameSite=Lax, so other sites cannot post with it; an Origin that differs is refused anyway.
    if (request.method === "POST" && request.headers.origin && request.headers.origin !== origin) {
      return page(response, "<p>Wrong origin.</p>", 403);
    }
    if (needsUser.includes(name) && !session?.claims) return redirect(response, "/");
    await routes[name](request, response, session);
  } catch (error) {
    console.error(error);
    page(response, `<p id="error">Login failed: ${escape(error.error ?? error.code ?? "unknown error")}</p>`, 502);
  }
}).listen(port, "localhost", () => console.log(`web app on ${origin}`));
