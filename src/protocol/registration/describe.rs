//! RFC 7591 §3.2.1 — what is registered, as the client reads it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::AssertionAlgorithm;
use crate::domain::{
    client::{Client, ClientKind},
    client_keys::KeySource,
    client_registration::SelfRegistration,
    redirect_uri::RedirectUri,
};

/// What is registered, as the client reads it (RFC 7591 §3.2.1); without secrets.
pub fn describe(client: &Client) -> Map<String, Value> {
    let texts = |uris: &BTreeSet<_>| -> Vec<String> {
        let uris = uris.iter().map(|uri: &RedirectUri| uri.as_str().to_owned());
        uris.collect()
    };
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        let is_there = match &value {
            Value::Null => false,
            Value::Array(values) => !values.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
        };
        if is_there {
            members.insert(name.to_owned(), value);
        }
    };
    put("client_id", json!(client.id));
    put("client_id_issued_at", json!(client.created_at));
    put("client_name", json!(client.name));
    put("redirect_uris", json!(texts(&client.redirect_uris)));
    put(
        "post_logout_redirect_uris",
        json!(texts(&client.post_logout_redirect_uris)),
    );
    put(
        "token_endpoint_auth_method",
        json!(client.authentication.method()),
    );
    match client.key_source() {
        Some(KeySource::Set(jwks)) => put("jwks", jwks.clone()),
        Some(KeySource::Uri(uri)) => put("jwks_uri", json!(uri)),
        None => {}
    }
    let objects = &client.request_objects;
    put("request_uris", json!(objects.uris));
    put("request_object_signing_alg", json!(objects.algorithm));
    put(
        "userinfo_signed_response_alg",
        json!(client.userinfo_algorithm),
    );
    let algorithm = AssertionAlgorithm::of(&client.authentication);
    put("token_endpoint_auth_signing_alg", json!(algorithm.as_str()));
    if let Some(subject) = client.authentication.certificate_subject() {
        let (kind, name) = subject.parts();
        put(&format!("tls_client_auth_{kind}"), json!(name));
    }
    if client.tokens.certificate_bound {
        put("tls_client_certificate_bound_access_tokens", json!(true));
    }
    let encryption = [
        ("id_token_encrypted_response", client.encryption.id_token),
        ("userinfo_encrypted_response", client.encryption.userinfo),
        ("request_object_encryption", objects.encryption),
    ];
    for (name, encryption) in encryption {
        put(&format!("{name}_alg"), json!(encryption.map(|it| it.alg)));
        put(&format!("{name}_enc"), json!(encryption.map(|it| it.enc)));
    }
    put("grant_types", json!(client.grant_types));
    put("response_types", json!(client.response_types));
    let application_type = match client.kind {
        ClientKind::Native => "native",
        ClientKind::Spa | ClientKind::Web | ClientKind::Service => "web",
    };
    put("application_type", json!(application_type));
    put("client_uri", json!(client.links.client));
    put("logo_uri", json!(client.links.logo));
    put("policy_uri", json!(client.links.policy));
    put("tos_uri", json!(client.links.terms));
    put("initiate_login_uri", json!(client.links.initiate_login));
    let logout = &client.logout;
    put("frontchannel_logout_uri", json!(logout.frontchannel_uri));
    put("backchannel_logout_uri", json!(logout.backchannel_uri));
    // `sid` is always told, whether it is required or not.
    if logout.frontchannel_uri.is_some() {
        put("frontchannel_logout_session_required", json!(true));
    }
    if logout.backchannel_uri.is_some() {
        put("backchannel_logout_session_required", json!(true));
    }
    put("scope", json!(client.scope));
    put("subject_type", json!("public"));
    put(
        "id_token_signed_response_alg",
        json!(client.tokens.id_token_algorithm),
    );
    put("default_max_age", json!(client.default_max_age));
    if let Some(SelfRegistration {
        contacts,
        software_id,
        software_version,
        ..
    }) = &client.registration
    {
        put("contacts", json!(contacts));
        put("software_id", json!(software_id));
        put("software_version", json!(software_version));
    }
    members
}
