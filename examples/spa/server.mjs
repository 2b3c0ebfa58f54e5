// Serves the single-page app: four files, the library, and the settings as JSON.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";

const port = Number(process.env.PORT ?? 5173);
const settings = {
  authority: process.env.ISSUER ?? "http://localhost:8080",
  client_id: process.env.CLIENT_ID ?? "demo-spa",
  api: process.env.API ?? "http://localhost:7000",
};

const html = ["index.html", "text/html; charset=utf-8"];
const script = "text/javascript; charset=utf-8";
const files = {
  "/": html,
  "/callback": html, // the redirect URI: the app itself reads the answer
  "/app.js": ["app.js", script],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
  "/vendor/oidc-client-ts.js": ["node_modules/oidc-client-ts/dist/esm/oidc-client-ts.js", script],
  "/vendor/jwt-decode.js": ["node_modules/jwt-decode/build/esm/index.js", script],
};

createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/settings.json") {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(settings));
    return;
  }
  const [file, type] = files[pathname] ?? [];
  if (!file) {
    response.writeHead(404).end("Not found");
    return;
  }
  response.writeHead(200, { "content-type": type, "referrer-policy": "no-referrer" });
  response.end(await readFile(new URL(file, import.meta.url)));
}).listen(port, "localhost", () => console.log(`spa on http://localhost:${port}`));
