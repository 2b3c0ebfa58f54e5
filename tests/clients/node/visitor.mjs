// A person with a simple browser: keeps cookies, follows redirects, fills in the forms of our pages.

export class Visitor {
  #cookies = new Map();

  constructor(issuer, { username, password }) {
    this.origin = new URL(issuer).origin;
    this.username = username;
    this.password = password;
    this.pages = []; // ids of the pages seen, in order
  }

  /** Opens the address and goes on until the provider leads back to the client: its URL or form. */
  async authorize(url, decision = "approve") {
    let answer = await this.#open(url);
    for (let step = 0; step < 10; step += 1) {
      if (answer.left) return answer.left;
      const form = parseForm(answer.html);
      this.pages.push(form.id);
      if (new URL(form.action, this.origin).origin !== this.origin) return form; // response_mode=form_post
      if (form.id === "sign-in") Object.assign(form.fields, { username: this.username, password: this.password });
      if (form.id === "consent") form.fields.decision = decision;
      answer = await this.#open(form.action, form.fields);
    }
    throw new Error(`no end in sight: ${this.pages}`);
  }

  async #open(url, fields) {
    let target = new URL(url, this.origin);
    let body = fields && new URLSearchParams(fields);
    for (let hop = 0; hop < 10; hop += 1) {
      if (target.origin !== this.origin) return { left: target };
      const response = await fetch(target, {
        method: body ? "POST" : "GET",
        body,
        redirect: "manual",
        headers: { cookie: this.#cookieHeader(), ...(body && { origin: this.origin }) },
      });
      this.#keepCookies(response);
      if (![302, 303].includes(response.status)) return { html: await response.text(), status: response.status };
      target = new URL(response.headers.get("location"), target);
      body = undefined;
    }
    throw new Error(`redirects without end at ${target}`);
  }

  #cookieHeader() {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  #keepCookies(response) {
    for (const cookie of response.headers.getSetCookie()) {
      const [pair, ...attributes] = cookie.split(/; */);
      const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      if (attributes.some((attribute) => /^max-age=(0|-)/i.test(attribute))) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }
}

/** The main form of a page of ours: id of its <main>, where it posts, its hidden fields. */
function parseForm(html) {
  const id = /<main[^>]* id="([^"]+)"/.exec(html)?.[1];
  const action = /<form[^>]* action="([^"]+)"/.exec(html)?.[1];
  if (!action) throw new Error(`no form on the page ${id}: ${html.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ")}`);
  const fields = {};
  for (const [tag] of html.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
    fields[unescape(/ name="([^"]*)"/.exec(tag)[1])] = unescape(/ value="([^"]*)"/.exec(tag)?.[1] ?? "");
  }
  return { id, action: unescape(action), fields };
}

const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"' };
const unescape = (text) =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (_, hex, decimal, name) =>
    name ? NAMED[name] : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)));
