// What the tests with openid-client share: a client of their own, its requests, a user who follows them.
import * as client from "openid-client";
import { cli, demo, issuer } from "./server.mjs";
import { Visitor } from "./visitor.mjs";

export const CALLBACK = "https://flows.example/cb";
export const insecure = { execute: [client.allowInsecureRequests] };

/** A client of its own for one test. */
export function register(...more) {
  return cli(
    "client", "create", "--web", "--name", "flows", "--redirect-uri", CALLBACK,
    "--scope", "openid profile email offline_access", ...more,
  );
}

export async function discover({ client_id, client_secret }, ...more) {
  return discoverAs(client_id, client.ClientSecretBasic(client_secret), {}, client.enableNonRepudiationChecks, ...more);
}

/** The same with another proof, and what the client registered. */
export async function discoverAs(client_id, proof, metadata, ...more) {
  const execute = [client.allowInsecureRequests, ...more];
  return client.discovery(issuer, client_id, metadata, proof, { execute });
}

/** The parameters of one request, and what its answer is checked by. */
export async function request(parameters = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const asked = {
    redirect_uri: CALLBACK,
    scope: "openid email",
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    ...parameters,
  };
  return { asked, checks: { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true } };
}

export const visit = (url) => new Visitor(issuer, demo.user).authorize(url);
