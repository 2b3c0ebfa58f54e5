// openid-client with tokens that are encrypted or under the client's secret (OIDC Core §10, RFC 7516), and with
// client_secret_jwt (OIDC Core §9).
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify } from "jose";
import * as client from "openid-client";
import { discoverAs, register, request, visit } from "./party.mjs";
import { cli, demo } from "./server.mjs";

/** The file with this public key. */
async function published(publicKey, alg) {
  const keys = [{ ...(await exportJWK(publicKey)), kid: "enc", alg, use: "enc" }];
  const file = join(mkdtempSync(join(tmpdir(), "countersign-")), "jwks.json");
  writeFileSync(file, JSON.stringify({ keys }));
  return file;
}

async function logIn(config) {
  const { asked, checks } = await request();
  const callback = await visit(client.buildAuthorizationUrl(config, asked));
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  assert.equal(tokens.claims().iss, demo.issuer);
  return tokens;
}

for (const [alg, enc] of [["RSA-OAEP-256", "A256GCM"], ["ECDH-ES+A128KW", "A128CBC-HS256"]]) {
  test(`ID token and userinfo come encrypted by ${alg} with ${enc}`, async () => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const registered = register(
      "--auth-method", "client_secret_basic", "--jwks", await published(publicKey, alg),
      "--id-token-encryption", `${alg},${enc}`, "--userinfo-encryption", `${alg},${enc}`, "--userinfo-alg", "ES256",
    );
    const metadata = { userinfo_signed_response_alg: "ES256" };
    const proof = client.ClientSecretBasic(registered.client_secret);
    const config = await discoverAs(registered.client_id, proof, metadata, client.enableNonRepudiationChecks);
    client.enableDecryptingResponses(config, [enc], { key: privateKey, alg, kid: "enc" });
    const tokens = await logIn(config);
    assert.deepEqual([tokens.id_token.split(".").length, decodeProtectedHeader(tokens.id_token).alg], [5, alg]);
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    assert.equal(userinfo.email, "demo@example.com");
  });
}

/** A server hears of what the command line changes within a second or two. */
async function untilRejected(call) {
  for (let attempt = 0; attempt < 40; attempt++) {
    const refused = await call().then(() => undefined, (refused) => refused);
    if (refused) return assert.equal(refused.status, 401, refused.message);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.fail("it was never rejected");
}

/** openid-client takes such tokens over TLS as they are; jose verifies them. */
function isUnder(secret, token) {
  return jwtVerify(token, new TextEncoder().encode(secret), { algorithms: ["HS256"] });
}

test("a client proves itself by its secret without sending it, and its ID tokens are under it", async () => {
  const registered = register("--auth-method", "client_secret_jwt", "--id-token-alg", "HS256");
  const metadata = { client_secret: registered.client_secret, id_token_signed_response_alg: "HS256" };
  const config = await discoverAs(registered.client_id, client.ClientSecretJwt(registered.client_secret), metadata);
  const tokens = await logIn(config);
  await isUnder(registered.client_secret, tokens.id_token);
  // A new secret, and no more of the old one.
  const { client_secret } = cli("client", "rotate-secret", registered.client_id, "--overlap", "0s");
  await untilRejected(() => client.tokenIntrospection(config, tokens.access_token));
  const renewed = { ...metadata, client_secret };
  const again = await discoverAs(registered.client_id, client.ClientSecretJwt(client_secret), renewed);
  await isUnder(client_secret, (await logIn(again)).id_token);
});
