// All that the app knows of Countersign: the JSON login and the question whether somebody may.

/** A refusal as the provider words it (RFC 9457). */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    Object.assign(this, { status, type: body.type, traceId: body.trace_id, retryAfter });
  }
}

export class Provider {
  constructor({ issuer, clientId, clientSecret }) {
    this.issuer = issuer;
    // RFC 6749 §2.3.1: both halves are form-encoded first.
    const encode = (text) => new URLSearchParams({ "": text }).toString().slice(1);
    this.basic = `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString("base64")}`;
  }

  async call(path, { body, authorization = this.basic } = {}) {
    const answer = await fetch(new URL(path, this.issuer), {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization, ...(body ? { "content-type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
    const text = await answer.text();
    const json = text ? JSON.parse(text) : undefined;
    if (!answer.ok) throw new Problem(answer.status, json ?? {}, answer.headers.get("retry-after"));
    return json;
  }

  /** Tokens and the user; `device` is what an earlier login of this browser returned. */
  logIn(username, password, device) {
    return this.call("/api/auth/login", { body: { username, password, ...(device ? { device } : {}) } });
  }

  refresh(refreshToken) {
    return this.call("/api/auth/refresh", { body: { refresh_token: refreshToken } });
  }

  logOut(refreshToken) {
    return this.call("/api/auth/logout", { body: { refresh_token: refreshToken } });
  }

  me(accessToken) {
    return this.call("/api/auth/me", { authorization: `Bearer ${accessToken}` });
  }

  /** Whether whoever has this token may do each of these, in their order. */
  async may(accessToken, permissions) {
    const checks = permissions.map((permission) => ({ permission }));
    const body = { subject: { access_token: accessToken }, checks };
    return (await this.call("/api/authorize/check", { body })).results;
  }
}
