//! Ready-made beginnings for common libraries. Secrets stand in the environment, not in a snippet.

use crate::{
    domain::client::{Client, ClientKind},
    protocol::metadata::paths,
};

/// How an application of this kind begins.
pub(super) fn snippet(client: &Client, issuer: &str) -> String {
    let id = client.id.as_str();
    let scope = client.scope.to_string();
    let redirect = client.redirect_uris.iter().next();
    let redirect = redirect.map_or("", |uri| uri.as_str());
    match client.kind {
        ClientKind::Spa => format!(
            "// npm install oidc-client-ts
import {{ UserManager }} from \"oidc-client-ts\";
export const users = new UserManager({{
  authority: \"{issuer}\",
  client_id: \"{id}\",
  redirect_uri: \"{redirect}\",
  scope: \"{scope}\",
}});
// users.signinRedirect() to log in; users.signinCallback() at the redirect URI"
        ),
        ClientKind::Web => format!(
            "// npm install openid-client
import * as client from \"openid-client\";
const config = await client.discovery(new URL(\"{issuer}\"), \"{id}\", process.env.CLIENT_SECRET);
const verifier = client.randomPKCECodeVerifier();
const url = client.buildAuthorizationUrl(config, {{
  redirect_uri: \"{redirect}\",
  scope: \"{scope}\",
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: \"S256\",
}});
// send the user to url; then, at the redirect URI:
// await client.authorizationCodeGrant(config, currentUrl, {{ pkceCodeVerifier: verifier }})"
        ),
        ClientKind::Native => format!(
            "# Any AppAuth library (RFC 8252), in the system's browser
discovery     {issuer}{}
client_id     {id}
redirect_uri  {redirect}
scope         {scope}",
            paths::OPENID_CONFIGURATION
        ),
        ClientKind::Service => format!(
            "curl --user \"{id}:$CLIENT_SECRET\" --data grant_type=client_credentials \\
     --data-urlencode \"scope={scope}\" {issuer}{}",
            paths::TOKEN
        ),
    }
}
