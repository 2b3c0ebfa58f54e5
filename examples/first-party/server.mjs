// An application of our own: it asks for name and password itself, and asks before it shows anything.
import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import { Problem, Provider } from "./provider.mjs";

const port = Number(process.env.PORT ?? 3300);
const origin = `http://localhost:${port}`;
const clientSecret = process.env.CLIENT_SECRET;
if (!clientSecret) throw new Error("set CLIENT_SECRET: `countersign client create` prints it");
const provider = new Provider({
  issuer: process.env.ISSUER ?? "http://localhost:8080",
  clientId: process.env.CLIENT_ID ?? "first-party",
  clientSecret,
});

const documents = new Map([["1", "The first document."], ["2", "The second document."]]);

// Sessions by id. An app with more than one process would keep them in a database.
const sessions = new Map();
const SESSION = "session";
const DEVICE = "device";

const cookie = (request, name) => {
  const pairs = (request.headers.cookie ?? "").split("; ").map((pair) => pair.split("="));
  return pairs.find(([other]) => other === name)?.[1];
};
const setCookie = (response, name, value, age = "") =>
  response.appendHeader("set-cookie", `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${age}`);

/** Runs `use` with a fresh access token: refreshed once where it has expired. */
async function withToken(session, use) {
  if (Date.now() / 1000 >= session.tokens.expires_at - 5) {
    session.tokens = await provider.refresh(session.tokens.refresh_token);
  }
  return use(session.tokens.access_token);
}

async function mayI(session, ...permissions) {
  return withToken(session, (token) => provider.may(token, permissions));
}

const routes = {
  "GET /": async (_request, response, { session }) => {
    if (!session) return page(response, loginForm());
    const ids = [...documents.keys()];
    const answers = await mayI(session, ...ids.flatMap((id) => [`document:read:${id}`, `document:write:${id}`]));
    const rows = ids.map((id, at) => row(id, answers[2 * at].allowed, answers[2 * at + 1].allowed));
    const { full_name: name, username } = session.user;
    page(response, `<p id="user">${escape(name ?? username)}</p><ul>${rows.join("")}</ul>
      <form action="/logout" method="post"><button id="logout">Log out</button></form>`);
  },

  "POST /login": async (request, response, { form }) => {
    try {
      const { user, device, ...tokens } = await provider.logIn(
        form.get("username") ?? "", form.get("password") ?? "", cookie(request, DEVICE));
      const id = randomBytes(32).toString("base64url");
      sessions.set(id, { user, tokens });
      setCookie(response, SESSION, id);
      // Keeps strangers who guess from locking this browser out.
      setCookie(response, DEVICE, device, "; Max-Age=31536000");
      redirect(response, "/");
    } catch (problem) {
      if (!(problem instanceof Problem) || ![400, 401, 429].includes(problem.status)) throw problem;
      const text = problem.status === 429 ? `Try again in ${problem.retryAfter} seconds.` : "Name or password is wrong.";
      page(response, loginForm(text), problem.status);
    }
  },

  "POST /logout": async (_request, response, { session, id }) => {
    sessions.delete(id);
    if (session) await provider.logOut(session.tokens.refresh_token);
    redirect(response, "/");
  },
};

/** `GET` shows a document, `POST` changes it. */
async function document(request, response, { session, form }, id) {
  if (!session) return redirect(response, "/");
  const action = request.method === "POST" ? "write" : "read";
  const [answer] = await mayI(session, `document:${action}:${id}`);
  if (!answer.allowed) return page(response, `<p id="refused">You may not: ${escape(answer.reason.code)}</p>`, 403);
  if (!documents.has(id)) return page(response, "<p>There is no such document.</p>", 404);
  if (action === "write") documents.set(id, form.get("text") ?? "");
  page(response, `<pre id="document">${escape(documents.get(id))}</pre><a href="/">Back</a>`);
}

const server = createServer(async (request, response) => {
  try {
    const { pathname } = new URL(request.url, origin);
    // Our forms only: SameSite keeps the cookie at home, and this says so for browsers that do not.
    if (request.method === "POST" && ![undefined, origin].includes(request.headers.origin)) {
      return page(response, "<p>The form came from elsewhere.</p>", 403);
    }
    const id = cookie(request, SESSION);
    const context = { id, session: sessions.get(id), form: await readForm(request) };
    const [, one] = /^\/documents\/(\w{1,20})$/.exec(pathname) ?? [];
    const route = one ? (...args) => document(...args, one) : routes[`${request.method} ${pathname}`];
    if (!route) return page(response, "<p>Nothing here.</p>", 404);
    await route(request, response, context);
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) {
      // Logged out elsewhere, locked, or a refresh token that came twice: begin again.
      sessions.delete(cookie(request, SESSION));
      return page(response, loginForm("Please log in again."), 401);
    }
    console.error(problem, problem.traceId ?? "");
    page(response, "<p>Something went wrong.</p>", 500);
  }
});

async function readForm(request) {
  let text = "";
  for await (const part of request) {
    text += part;
    if (text.length > 10_000) throw new Error("the form is too long");
  }
  return new URLSearchParams(text);
}

const row = (id, read, write) => `<li id="document-${id}">
  ${read ? `<a href="/documents/${id}">Document ${id}</a>` : `Document ${id} (not yours to read)`}
  ${write ? `<form action="/documents/${id}" method="post"><input name="text" aria-label="New text of ${id}"><button>Change</button></form>` : ""}</li>`;

const loginForm = (message = "") => `<form action="/login" method="post">
  ${message ? `<p role="alert" id="message">${escape(message)}</p>` : ""}
  <label>Name <input id="username" name="username" autocomplete="username" required></label>
  <label>Password <input id="password" name="password" type="password" autocomplete="current-password" required></label>
  <button id="login">Log in</button></form>`;

function page(response, body, status = 200) {
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "cache-control": "no-store",
  });
  response.end(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Our documents</title><h1>Our documents</h1>${body}</html>`);
}

function redirect(response, location) {
  response.writeHead(303, { location });
  response.end();
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

server.listen(port, "127.0.0.1", () => console.log(`ready on ${origin}`));
