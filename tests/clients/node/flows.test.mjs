// openid-client in the flows beyond the plain code: hybrid, implicit, signed requests, claims by name, dynamic
// registration (OIDC Core §3.2, §3.3, §5.5, §6, RFC 7591, RFC 9101).
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { exportJWK, generateKeyPair } from "jose";
import * as client from "openid-client";
import { CALLBACK, discover, insecure, register, request, visit } from "./party.mjs";
import { cli, demo, issuer } from "./server.mjs";

test("the hybrid flow brings an ID token that binds the code, in the fragment and by a form", async () => {
  const registered = register("--response-type", "code", "--response-type", "code id_token");
  const config = await discover(registered, client.useCodeIdTokenResponseType);
  for (const response_mode of ["fragment", "form_post"]) {
    const { asked, checks } = await request({ response_mode });
    let callback = await visit(client.buildAuthorizationUrl(config, asked));
    if (response_mode === "form_post") {
      callback = new Request(callback.action, { method: "POST", body: new URLSearchParams(callback.fields) });
    } else {
      assert.ok(callback.hash.includes("id_token="), "the fragment is the default");
    }
    const tokens = await client.authorizationCodeGrant(config, callback, checks);
    assert.equal(tokens.claims().iss, demo.issuer);
    await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  }
});

test("the implicit flow brings an ID token with the claims of its scope", async () => {
  const registered = register("--response-type", "id_token");
  const config = await discover(registered, client.useIdTokenResponseType);
  const { asked, checks } = await request();
  const callback = await visit(client.buildAuthorizationUrl(config, asked));
  const claims = await client.implicitAuthentication(config, callback, checks.expectedNonce, checks);
  assert.equal(claims.email, "demo@example.com");
});

test("what is asked for by name comes where it was asked for", async () => {
  const config = await discover(register());
  const claims = JSON.stringify({ userinfo: { name: { essential: true } }, id_token: { email: null } });
  const { asked, checks } = await request({ claims, scope: "openid" });
  const callback = await visit(client.buildAuthorizationUrl(config, asked));
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  assert.equal(tokens.claims().email, "demo@example.com");
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  assert.ok(userinfo.name);
  assert.equal(userinfo.email, undefined);
});

test("a signed request is taken, and one that another key signed is not", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const stranger = await generateKeyPair("ES256");
  const keys = [{ ...(await exportJWK(publicKey)), kid: "k", alg: "ES256", use: "sig" }];
  const file = join(mkdtempSync(join(tmpdir(), "countersign-")), "jwks.json");
  writeFileSync(file, JSON.stringify({ keys }));
  const registered = register("--auth-method", "client_secret_basic", "--jwks", file);
  const config = await discover(registered);
  const { asked, checks } = await request();
  const url = await client.buildAuthorizationUrlWithJAR(config, asked, { key: privateKey, kid: "k" });
  assert.ok(url.searchParams.has("request") && !url.searchParams.has("nonce"));
  url.searchParams.set("response_type", "code");
  url.searchParams.set("redirect_uri", CALLBACK);
  const tokens = await client.authorizationCodeGrant(config, await visit(url), checks);
  assert.equal(tokens.claims().nonce, checks.expectedNonce);
  const forged = await client.buildAuthorizationUrlWithJAR(config, asked, { key: stranger.privateKey, kid: "k" });
  forged.searchParams.set("redirect_uri", CALLBACK);
  const refused = await visit(forged);
  assert.equal(refused.searchParams.get("error"), "invalid_request_object");
});

test("userinfo comes signed to whoever registered for it", async () => {
  const registered = register("--userinfo-alg", "ES256");
  const config = await discover(registered);
  const { asked, checks } = await request();
  const callback = await visit(client.buildAuthorizationUrl(config, asked));
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  const metadata = { userinfo_signed_response_alg: "ES256" };
  const authentication = client.ClientSecretBasic(registered.client_secret);
  const signed = await client.discovery(issuer, registered.client_id, metadata, authentication, {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  });
  const userinfo = await client.fetchUserInfo(signed, tokens.access_token, tokens.claims().sub);
  assert.equal(userinfo.email, "demo@example.com");
  assert.equal(userinfo.aud, registered.client_id);
});

test("a client registers itself, logs a user in, and proves itself by its own key", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const metadata = {
    client_name: "Self-made",
    redirect_uris: [CALLBACK],
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: "k", alg: "ES256", use: "sig" }] },
  };
  const authentication = client.PrivateKeyJwt({ key: privateKey, kid: "k" });
  const config = await client.dynamicClientRegistration(issuer, metadata, authentication, insecure);
  const registered = config.clientMetadata();
  assert.equal(registered.client_secret, undefined);
  assert.equal(registered.client_name, "Self-made");
  const { asked, checks } = await request();
  const tokens = await client.authorizationCodeGrant(config, await visit(client.buildAuthorizationUrl(config, asked)), checks);
  assert.equal(tokens.claims().aud, registered.client_id);

  const [uri, token] = [registered.registration_client_uri, registered.registration_access_token];
  const manage = (method) => fetch(uri, { method, headers: { authorization: `Bearer ${token}` } });
  assert.deepEqual((await (await manage("GET")).json()).redirect_uris, [CALLBACK]);
  assert.equal((await manage("DELETE")).status, 204);
  assert.equal((await manage("GET")).status, 401);
});
