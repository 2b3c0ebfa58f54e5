// openid-client (on oauth4webapi and jose) logs in through our pages, as a web app and as a service.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";
import * as client from "openid-client";
import { cli, demo, issuer } from "./server.mjs";
import { Visitor } from "./visitor.mjs";

const WEB = demo.clients["demo-web"];
const SPA = demo.clients["demo-spa"];
const SERVICE = demo.clients["demo-service"];
const SCOPE = "openid profile email offline_access";

async function configuration({ client_id, client_secret }, method = client.ClientSecretBasic) {
  const authentication = client_secret ? method(client_secret) : client.None();
  const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
  return client.discovery(issuer, client_id, {}, authentication, { execute });
}

/** One login through the pages; the visitor keeps its session for the next. */
async function login(config, registered, { visitor = new Visitor(issuer, demo.user), decision, parameters = {} } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: registered.redirect_uri,
    scope: SCOPE,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    ...parameters,
  });
  const callback = await visitor.authorize(url, decision);
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  return { visitor, callback, checks };
}

async function tokens(config, registered, options) {
  const { visitor, callback, checks } = await login(config, registered, options);
  return { visitor, callback, checks, tokens: await client.authorizationCodeGrant(config, callback, checks) };
}

const oauthError = (code) => (error) => {
  assert.equal(error.error, code, error.message);
  return true;
};

test("a web app logs a user in and asks userinfo", async () => {
  const config = await configuration(WEB);
  const session = await tokens(config, WEB);
  assert.deepEqual(session.visitor.pages, ["sign-in", "consent"]);
  const claims = session.tokens.claims();
  assert.equal(claims.iss, demo.issuer);
  assert.equal(claims.email, undefined, "email belongs in userinfo only");
  const userinfo = await client.fetchUserInfo(config, session.tokens.access_token, claims.sub);
  assert.ok(userinfo.email && userinfo.name, JSON.stringify(userinfo));
});

test("a second login needs neither password nor consent", async () => {
  const config = await configuration(WEB);
  const { visitor } = await tokens(config, WEB);
  visitor.pages.length = 0;
  const again = await tokens(config, WEB, { visitor });
  assert.deepEqual(visitor.pages, []);
  assert.ok(again.tokens.access_token);
});

test("the answer comes as a form post when asked for", async () => {
  const config = await configuration(WEB);
  const { callback: form, checks } = await login(config, WEB, { parameters: { response_mode: "form_post" } });
  assert.equal(form.action, WEB.redirect_uri);
  const request = new Request(form.action, { method: "POST", body: new URLSearchParams(form.fields) });
  const answer = await client.authorizationCodeGrant(config, request, checks);
  assert.equal(answer.claims().iss, demo.issuer);
});

test("a user who declines sends the client access_denied", async () => {
  const config = await configuration(WEB);
  const parameters = { prompt: "consent" };
  const { callback, checks } = await login(config, WEB, { decision: "cancel", parameters });
  await assert.rejects(client.authorizationCodeGrant(config, callback, checks), oauthError("access_denied"));
  assert.equal(callback.searchParams.get("iss"), demo.issuer);
});

test("a code works once, and its replay ends what it gave", async () => {
  const config = await configuration(WEB);
  const session = await tokens(config, WEB);
  await assert.rejects(
    client.authorizationCodeGrant(config, session.callback, session.checks),
    oauthError("invalid_grant"),
  );
  await assert.rejects(
    client.refreshTokenGrant(config, session.tokens.refresh_token),
    oauthError("invalid_grant"),
  );
});

test("the refresh token of a public client rotates, and a replay ends the family", async () => {
  const config = await configuration(SPA);
  const first = (await tokens(config, SPA)).tokens.refresh_token;
  const second = (await client.refreshTokenGrant(config, first)).refresh_token;
  assert.notEqual(second, first);
  const third = (await client.refreshTokenGrant(config, second)).refresh_token;
  await assert.rejects(client.refreshTokenGrant(config, first), oauthError("invalid_grant"));
  await assert.rejects(client.refreshTokenGrant(config, third), oauthError("invalid_grant"));
});

test("two tabs that refresh at once both go on", async () => {
  const config = await configuration(SPA);
  const first = (await tokens(config, SPA)).tokens.refresh_token;
  const answers = await Promise.all([1, 2].map(() => client.refreshTokenGrant(config, first)));
  assert.equal(answers[0].refresh_token, answers[1].refresh_token);
  assert.ok((await client.refreshTokenGrant(config, answers[0].refresh_token)).access_token);
});

test("an access token verifies through JWKS as RFC 9068 says", async () => {
  const config = await configuration(WEB);
  const session = await tokens(config, WEB);
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const { payload, protectedHeader } = await jwtVerify(session.tokens.access_token, keys, {
    issuer: demo.issuer,
    typ: "at+jwt",
    requiredClaims: ["sub", "aud", "client_id", "iat", "exp", "jti"],
  });
  assert.equal(payload.client_id, WEB.client_id);
  assert.equal(payload.sub, session.tokens.claims().sub);
  assert.equal(protectedHeader.alg, "ES256");
});

test("introspection and revocation see the same token", async () => {
  const config = await configuration(WEB);
  const { access_token, refresh_token } = (await tokens(config, WEB)).tokens;
  assert.equal((await client.tokenIntrospection(config, access_token)).active, true);
  assert.equal((await client.tokenIntrospection(config, refresh_token)).active, true);
  await client.tokenRevocation(config, refresh_token);
  assert.equal((await client.tokenIntrospection(config, refresh_token)).active, false);
  assert.equal((await client.tokenIntrospection(config, access_token)).active, false);
  await assert.rejects(client.refreshTokenGrant(config, refresh_token), oauthError("invalid_grant"));
});

test("logout at the provider ends the session and leads back with the state", async () => {
  const config = await configuration(WEB);
  const session = await tokens(config, WEB);
  const logout = client.buildEndSessionUrl(config, {
    id_token_hint: session.tokens.id_token,
    post_logout_redirect_uri: WEB.post_logout_redirect_uri,
    state: "after-logout",
  });
  const back = await session.visitor.authorize(logout);
  assert.equal(back.href, `${WEB.post_logout_redirect_uri}?state=after-logout`);
  const silent = await login(config, WEB, { visitor: session.visitor, parameters: { prompt: "none" } });
  assert.equal(silent.callback.searchParams.get("error"), "login_required");
});

test("a service authenticates by secret in header or body", async () => {
  for (const method of [client.ClientSecretBasic, client.ClientSecretPost]) {
    const registered = method === client.ClientSecretBasic ? SERVICE : service("client_secret_post");
    const config = await configuration(registered, method);
    const answer = await client.clientCredentialsGrant(config);
    assert.equal(answer.token_type, "bearer");
    assert.equal(answer.refresh_token, undefined);
  }
});

test("a wrong secret is invalid_client", async () => {
  const config = await configuration({ ...SERVICE, client_secret: "wrong" });
  await assert.rejects(client.clientCredentialsGrant(config), (error) => {
    assert.equal(error.status, 401);
    assert.equal(error.cause[0].scheme, "basic"); // the challenge of RFC 6749 §5.2
    return true;
  });
});

test("a service authenticates by a signed assertion", async () => {
  // Not EdDSA: openid-client calls it Ed25519 (RFC 9864), which the metadata does not offer.
  for (const alg of ["ES256", "RS256", "PS256"]) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const kid = `key-${alg}`;
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg, kid, use: "sig" }] };
    const file = join(mkdtempSync(join(tmpdir(), "countersign-")), "jwks.json");
    writeFileSync(file, JSON.stringify(jwks));
    const { client_id } = service("private_key_jwt", "--jwks", file);
    const execute = [client.allowInsecureRequests];
    const authentication = client.PrivateKeyJwt({ key: privateKey, kid });
    const config = await client.discovery(issuer, client_id, {}, authentication, { execute });
    const answer = await client.clientCredentialsGrant(config);
    assert.ok(answer.access_token, alg);
  }
});

function service(method, ...more) {
  return cli("client", "create", "--service", "--name", `test ${method}`, "--scope", "api:read", "--auth-method", method, ...more);
}
