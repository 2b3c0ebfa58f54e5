//! What the provider tells about itself (OIDC Discovery §3).

use serde_json::Value;

use crate::support::{Answer, http, provider::Op, request::Flow};

fn list<'a>(metadata: &'a Value, name: &str) -> Vec<&'a str> {
    let list = metadata[name].as_array();
    let list = list.unwrap_or_else(|| panic!("no list {name}"));
    list.iter().map(|value| value.as_str().unwrap()).collect()
}

pub(crate) async fn oidcc_discovery_endpoint_verification(_: Flow) {
    let op = Op::shared().await;
    let issuer = op.issuer();
    let url = format!("{issuer}/.well-known/openid-configuration");
    let http = http(&op.certificate);
    let metadata = Answer::of(http.get(url)).await.success(200);

    assert_eq!(metadata["issuer"], issuer);
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "registration_endpoint",
        "end_session_endpoint",
    ] {
        assert!(
            metadata[name].as_str().unwrap().starts_with("https://"),
            "{name}"
        );
    }
    let response_types = list(&metadata, "response_types_supported");
    // Dynamic providers (§3).
    for name in ["code", "id_token", "id_token token"] {
        assert!(response_types.contains(&name), "{name}");
    }
    assert_eq!(list(&metadata, "subject_types_supported"), ["public"]);
    assert!(list(&metadata, "id_token_signing_alg_values_supported").contains(&"RS256"));
    assert!(list(&metadata, "scopes_supported").contains(&"openid"));
    assert!(list(&metadata, "claims_supported").contains(&"sub"));
    assert!(list(&metadata, "grant_types_supported").contains(&"authorization_code"));
    assert!(list(&metadata, "grant_types_supported").contains(&"implicit"));
    assert!(list(&metadata, "response_modes_supported").contains(&"form_post"));
    let methods = list(&metadata, "token_endpoint_auth_methods_supported");
    let algorithms = list(
        &metadata,
        "token_endpoint_auth_signing_alg_values_supported",
    );
    assert!(methods.contains(&"private_key_jwt") && algorithms.contains(&"RS256"));
    assert!(!algorithms.contains(&"none"));
    for name in [
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "claims_parameter_supported",
    ] {
        assert!(metadata[name].is_boolean(), "{name}");
    }
    for (name, value) in metadata.as_object().unwrap() {
        let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        assert!(!is_empty, "{name} says nothing");
    }
    check_keys(
        &Answer::of(http.get(op.endpoint("jwks_uri")))
            .await
            .success(200),
    );
}

/// Public keys for signatures, each with a name of its own (OIDC Core §10.1).
pub(crate) fn check_keys(jwks: &Value) {
    let keys = jwks["keys"].as_array().unwrap();
    let mut names: Vec<&str> = keys
        .iter()
        .map(|key| key["kid"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() == keys.len() && !keys.is_empty(), "{jwks}");
    for key in keys {
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key[private].is_null(), "{private} is public");
        }
    }
}

/// Asks the shared provider's metadata about an optional part.
async fn says(claims: &[&str]) {
    let op = Op::shared().await;
    for name in claims {
        assert_eq!(op.metadata[*name], true, "{name}");
    }
}

async fn has_https(name: &str) {
    let op = Op::shared().await;
    assert!(op.endpoint(name).starts_with("https://"));
}

pub(crate) async fn oidcc_rp_initiated_logout_discovery_endpoint_verification(_: Flow) {
    has_https("end_session_endpoint").await;
}

pub(crate) async fn oidcc_session_management_discovery_endpoint_verification(_: Flow) {
    has_https("end_session_endpoint").await;
    has_https("check_session_iframe").await;
}

pub(crate) async fn oidcc_frontchannel_logout_discovery_endpoint_verification(_: Flow) {
    has_https("end_session_endpoint").await;
    says(&[
        "frontchannel_logout_supported",
        "frontchannel_logout_session_supported",
    ])
    .await;
}

pub(crate) async fn oidcc_backchannel_logout_discovery_endpoint_verification(_: Flow) {
    has_https("end_session_endpoint").await;
    says(&[
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
    ])
    .await;
}
