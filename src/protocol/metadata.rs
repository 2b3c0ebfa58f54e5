//! OIDC Discovery §3, RFC 8414 §2 — provider metadata, generated from what the server offers.

use serde_json::{Value, json};

use super::{
    authentication::ACR_PASSWORD, authorization::Prompt, capability::Features, issuer::Issuer,
    userinfo,
};
use crate::domain::{
    algorithm::{ContentEncryption, KeyManagement, SigningAlgorithm, TokenAlgorithm},
    client::{ClientAuthMethod, GrantType},
};

/// Paths of the endpoints, below the issuer.
pub mod paths {
    /// RFC 6749 §3.1
    pub const AUTHORIZE: &str = "/oauth2/authorize";
    /// RFC 6749 §3.2
    pub const TOKEN: &str = "/oauth2/token";
    /// RFC 7517 §5
    pub const JWKS: &str = "/oauth2/jwks.json";
    /// OIDC Core §5.3
    pub const USERINFO: &str = "/oauth2/userinfo";
    /// RFC 7591 §3
    pub const REGISTER: &str = "/oauth2/register";
    /// RFC 7662 §2
    pub const INTROSPECT: &str = "/oauth2/introspect";
    /// RFC 7009 §2
    pub const REVOKE: &str = "/oauth2/revoke";
    /// RP-Initiated Logout §2
    pub const LOGOUT: &str = "/oauth2/logout";
    /// OIDC Session Management §3.3
    pub const CHECK_SESSION: &str = "/oauth2/check_session";
    /// OIDC Discovery §4
    pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
    /// RFC 8414 §3
    pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
    /// The JSON login of first-party applications.
    pub const LOGIN: &str = "/api/auth/login";
    /// Its refresh.
    pub const REFRESH: &str = "/api/auth/refresh";
    /// Its end.
    pub const LOGOUT_API: &str = "/api/auth/logout";
    /// Who its user is.
    pub const ME: &str = "/api/auth/me";
    /// Whether somebody may do something.
    pub const CHECK: &str = "/api/authorize/check";
    /// The administration API.
    pub const ADMINISTRATION: &str = "/api/admin";
    /// Its description, `OpenAPI` 3.1.
    pub const OPENAPI: &str = "/api/openapi.json";
    /// OpenID AuthZEN Authorization API 1.0 §9.2
    pub const AUTHZEN: &str = "/.well-known/authzen-configuration";
    /// OpenID AuthZEN Authorization API 1.0 §10.1
    pub const ACCESS_EVALUATION: &str = "/access/v1/evaluation";
    /// OpenID AuthZEN Authorization API 1.0 §10.1
    pub const ACCESS_EVALUATIONS: &str = "/access/v1/evaluations";
}

/// The metadata document, the same for both well-known addresses.
pub fn document(issuer: &Issuer, features: &Features) -> Value {
    let signing = features.algorithms.iter().copied();
    let for_id_tokens = TokenAlgorithm::every(signing);
    // Without a signature userinfo is plain JSON.
    let is_secure = |it: &TokenAlgorithm| *it != TokenAlgorithm::None;
    let for_userinfo: Vec<_> = for_id_tokens.iter().copied().filter(is_secure).collect();
    // What clients sign is verified with any algorithm, whatever keys the server has. Request objects without
    // a signature are an arrangement with one client, not an offer.
    let mut from_clients = TokenAlgorithm::every(SigningAlgorithm::ALL.iter().copied());
    from_clients.retain(is_secure);
    let grant_types: Vec<GrantType> = features.grant_types.iter().copied().collect();
    let auth_methods: Vec<ClientAuthMethod> =
        features.client_auth_methods.iter().copied().collect();
    // Introspection answers nobody who has not proved who they are (RFC 7662 §2.1).
    let proving_methods: Vec<ClientAuthMethod> = auth_methods
        .iter()
        .copied()
        .filter(|method| *method != ClientAuthMethod::None)
        .collect();
    let mut document = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.url(paths::AUTHORIZE),
        "token_endpoint": issuer.url(paths::TOKEN),
        "jwks_uri": issuer.url(paths::JWKS),
        "userinfo_endpoint": issuer.url(paths::USERINFO),
        "introspection_endpoint": issuer.url(paths::INTROSPECT),
        "revocation_endpoint": issuer.url(paths::REVOKE),
        "end_session_endpoint": issuer.url(paths::LOGOUT),
        "scopes_supported": features.scopes.iter().collect::<Vec<_>>(),
        "response_types_supported": features.response_types,
        "response_modes_supported": features.response_modes,
        "grant_types_supported": grant_types,
        "acr_values_supported": [ACR_PASSWORD],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": for_id_tokens,
        "id_token_encryption_alg_values_supported": KeyManagement::ALL,
        "id_token_encryption_enc_values_supported": ContentEncryption::ALL,
        "token_endpoint_auth_methods_supported": auth_methods,
        "token_endpoint_auth_signing_alg_values_supported": from_clients,
        "introspection_endpoint_auth_methods_supported": proving_methods,
        "introspection_endpoint_auth_signing_alg_values_supported": from_clients,
        "revocation_endpoint_auth_methods_supported": auth_methods,
        "revocation_endpoint_auth_signing_alg_values_supported": from_clients,
        "claim_types_supported": ["normal"],
        "claims_supported": claims_supported(),
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
        "request_object_signing_alg_values_supported": from_clients,
        "userinfo_signing_alg_values_supported": for_userinfo,
        "userinfo_encryption_alg_values_supported": KeyManagement::ALL,
        "userinfo_encryption_enc_values_supported": ContentEncryption::ALL,
        "authorization_response_iss_parameter_supported": true,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": Prompt::NAMES,
        "check_session_iframe": issuer.url(paths::CHECK_SESSION),
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    });
    let Some(members) = document.as_object_mut() else {
        return document;
    };
    if features.registration {
        let endpoint = issuer.url(paths::REGISTER);
        members.insert("registration_endpoint".into(), endpoint.into());
    }
    if let Some(certificates) = &features.certificates {
        members.insert(
            "tls_client_certificate_bound_access_tokens".into(),
            true.into(),
        );
        if let Some(url) = &certificates.url {
            members.insert("mtls_endpoint_aliases".into(), aliases(url, features));
        }
    }
    if !features.encryption_keys.is_empty() {
        let has_key = |it: &&KeyManagement| features.encryption_keys.contains(&it.key());
        let algorithms: Vec<_> = KeyManagement::ALL.iter().filter(has_key).collect();
        for (name, values) in [
            (
                "request_object_encryption_alg_values_supported",
                json!(algorithms),
            ),
            (
                "request_object_encryption_enc_values_supported",
                json!(ContentEncryption::ALL),
            ),
        ] {
            members.insert(name.into(), values);
        }
    }
    document
}

/// RFC 8705 §5: where a certificate is asked for.
fn aliases(url: &str, features: &Features) -> Value {
    let mut endpoints = vec![
        ("token_endpoint", paths::TOKEN),
        ("userinfo_endpoint", paths::USERINFO),
        ("introspection_endpoint", paths::INTROSPECT),
        ("revocation_endpoint", paths::REVOKE),
    ];
    if features.registration {
        endpoints.push(("registration_endpoint", paths::REGISTER));
    }
    let aliases = endpoints.into_iter();
    aliases
        .map(|(name, path)| (name.to_owned(), json!(format!("{url}{path}"))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn claims_supported() -> Vec<&'static str> {
    let token_claims = [
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "azp",
        "sid",
        "at_hash",
        "c_hash",
        "s_hash",
    ];
    userinfo::CLAIMS
        .iter()
        .copied()
        .chain(token_claims)
        .collect()
}
