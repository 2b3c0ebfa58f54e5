//! Ready-made beginnings for common libraries. Secrets stand in the environment, not in a snippet.

use crate::{
    domain::client::{Client, ClientAuthMethod, ClientKind},
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
const config = await client.discovery(new URL(\"{issuer}\"), \"{id}\", undefined, client.{});
const verifier = client.randomPKCECodeVerifier();
const url = client.buildAuthorizationUrl(config, {{
  redirect_uri: \"{redirect}\",
  scope: \"{scope}\",
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: \"S256\",
}});
// send the user to url; then, at the redirect URI:
// await client.authorizationCodeGrant(config, currentUrl, {{ pkceCodeVerifier: verifier }})",
            proof(client.authentication.method())
        ),
        ClientKind::Native => format!(
            "# Any AppAuth library (RFC 8252), in the system's browser
discovery     {issuer}{}
client_id     {id}
redirect_uri  {redirect}
scope         {scope}",
            paths::OPENID_CONFIGURATION
        ),
        ClientKind::Service => service(client, issuer),
    }
}

/// How openid-client is told to authenticate: it would send the secret in the form otherwise.
fn proof(method: ClientAuthMethod) -> &'static str {
    match method {
        ClientAuthMethod::ClientSecretBasic => "ClientSecretBasic(process.env.CLIENT_SECRET)",
        ClientAuthMethod::ClientSecretPost => "ClientSecretPost(process.env.CLIENT_SECRET)",
        ClientAuthMethod::ClientSecretJwt => "ClientSecretJwt(process.env.CLIENT_SECRET)",
        ClientAuthMethod::PrivateKeyJwt => "PrivateKeyJwt(privateKey)",
        ClientAuthMethod::TlsClientAuth | ClientAuthMethod::SelfSignedTlsClientAuth => {
            "TlsClientAuth()"
        }
        ClientAuthMethod::None => "None()",
    }
}

fn service(client: &Client, issuer: &str) -> String {
    let id = client.id.as_str();
    let credentials = match client.authentication.method() {
        ClientAuthMethod::ClientSecretBasic => format!("--user \"{id}:$CLIENT_SECRET\""),
        ClientAuthMethod::ClientSecretPost | ClientAuthMethod::None => {
            format!("--data client_id={id} --data-urlencode \"client_secret=$CLIENT_SECRET\"")
        }
        ClientAuthMethod::PrivateKeyJwt | ClientAuthMethod::ClientSecretJwt => {
            "--data client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \\
     --data client_assertion=$ASSERTION"
                .to_owned()
        }
        ClientAuthMethod::TlsClientAuth | ClientAuthMethod::SelfSignedTlsClientAuth => {
            format!("--cert cert.pem --key key.pem --data client_id={id}")
        }
    };
    let token = paths::TOKEN;
    let scope = &client.scope;
    format!(
        "curl {credentials} --data grant_type=client_credentials \\
     --data-urlencode \"scope={scope}\" {issuer}{token}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client::{ClientAuthentication, sample};

    #[test]
    fn a_snippet_authenticates_the_way_the_client_is_registered() {
        let basic = sample();
        assert!(snippet(&basic, "https://id.example").contains("client.ClientSecretBasic("));
        let post = Client {
            authentication: ClientAuthentication::ClientSecretPost { secrets: vec![] },
            ..sample()
        };
        assert!(snippet(&post, "https://id.example").contains("client.ClientSecretPost("));
        let service = Client {
            kind: ClientKind::Service,
            ..sample()
        };
        let curl = snippet(&service, "https://id.example");
        assert!(curl.contains("--user \"c:$CLIENT_SECRET\"") && curl.contains("/oauth2/token"));
    }
}
