//! RFC 7591 §2, §3, OIDC Registration §2, §3 — the tests of registration.rs.

#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;

fn parse(metadata: &Value) -> Result<ClientMetadata, MetadataError> {
    ClientMetadata::parse(metadata.to_string().as_bytes())
}

#[test]
fn what_is_left_out_has_the_default_of_the_specification() {
    let metadata = parse(&json!({ "redirect_uris": ["https://rp.example/cb"], "x": 1 })).unwrap();
    assert_eq!(metadata.authentication, ClientAuthMethod::ClientSecretBasic);
    assert_eq!(metadata.response_types, [ResponseType::CODE].into());
    assert_eq!(metadata.kind, ClientKind::Web);
    assert!(!metadata.refreshes);
    assert_eq!(
        metadata.scope.to_string(),
        "address email openid phone profile"
    );
}

#[test]
fn null_is_the_same_as_absent() {
    let metadata = parse(&json!({ "jwks_uri": null, "scope": null, "grant_types": null }));
    assert!(metadata.is_ok(), "{metadata:?}");
}

#[test]
fn whatever_cannot_be_granted_is_refused_by_the_name_of_its_member() {
    for (member, value) in [
        ("scope", json!("openid admin")),
        ("scope", json!("openid\"")),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!(["urn:x"])),
        ("response_types", json!(["token"])),
        ("response_types", json!(["id_token"])),
        ("token_endpoint_auth_method", json!("magic")),
        ("id_token_signed_response_alg", json!("HS1")),
        ("id_token_encrypted_response_alg", json!("RSA1_5")),
        ("userinfo_encrypted_response_enc", json!("A128GCM")),
        ("application_type", json!("desktop")),
        ("subject_type", json!("pairwise")),
        ("software_statement", json!("a.b.c")),
        ("contacts", json!(["a\u{0}"])),
        ("software_id", json!("x".repeat(300))),
    ] {
        let mut metadata = json!({ "grant_types": ["authorization_code"] });
        metadata[member] = value.clone();
        let error = parse(&metadata).unwrap_err();
        let is_named =
            error.member == member || member == "response_types" && error.member == "grant_types";
        assert!(is_named, "{member} {value}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidClientMetadata);
    }
}

#[test]
fn a_description_is_what_the_specification_lets_it_be() {
    let error = MetadataError::new("scope", "\"ä\\\n\" is no\u{202e}scope");
    let described = error.description();
    assert!(
        described
            .bytes()
            .all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
    );
}
