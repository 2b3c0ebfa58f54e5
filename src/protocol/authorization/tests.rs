//! RFC 6749 §4.1.1, OIDC Core §3.1.2.1 — the tests of authorization.rs.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::domain::client::{ClientAuthentication, PkcePolicy, sample};

const CHALLENGE: &str =
    "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

fn bound(query: &str, client: &Client) -> Result<Bound, Unanswerable> {
    RawAuthorization::parse(Params::parse(query.as_bytes())).bind(client)
}

/// The outcome of a request in which `replaced` stands for parameters of the same name.
fn accept(replaced: &str, client: &Client) -> Result<AuthorizationRequest, ErrorCode> {
    let base = [
        ("client_id", "c"),
        ("response_type", "code"),
        ("redirect_uri", "https://rp.example/cb"),
        ("scope", "openid"),
    ];
    let kept: Vec<String> = base
        .iter()
        .filter(|(name, _)| {
            !replaced
                .split('&')
                .any(|pair| pair.starts_with(&format!("{name}=")))
        })
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let query = format!("{}&{replaced}", kept.join("&"));
    let bound = bound(&query, client).unwrap();
    bound
        .accept(client, &Features::all([]))
        .map_err(|error| error.code)
}

#[test]
fn nothing_is_redirected_to_an_address_that_is_not_registered() {
    let client = sample();
    for query in [
        "client_id=c",
        "redirect_uri=https://rp.example/CB",
        "redirect_uri=https://rp.example/cb?x",
        "redirect_uri=https://rp.example/cb&redirect_uri=https://rp.example/cb",
    ] {
        assert!(bound(query, &client).is_err(), "{query}");
    }
}

#[test]
fn each_fault_has_the_error_that_the_specification_names() {
    use ErrorCode as E;
    for (replaced, code) in [
        ("response_type=", E::InvalidRequest),
        ("response_type=token", E::UnsupportedResponseType),
        ("response_type=code+code", E::UnsupportedResponseType),
        // Without a nonce (OIDC Core §3.3.2.11).
        ("response_type=code+id_token", E::InvalidRequest),
        ("response_mode=jwt", E::InvalidRequest),
        ("request=eyJ", E::RequestNotSupported),
        (
            "request_uri=https://rp.example/r",
            E::RequestUriNotSupported,
        ),
        ("registration={}", E::RegistrationNotSupported),
        ("scope=", E::InvalidScope),
        ("scope=a%22b", E::InvalidScope),
        ("scope=unknown", E::InvalidScope),
        ("prompt=none+login", E::InvalidRequest),
        ("prompt=create", E::InvalidRequest),
        ("max_age=-1", E::InvalidRequest),
        ("max_age=99999999999", E::InvalidRequest),
        ("max_age=1.5", E::InvalidRequest),
        ("nonce=1&nonce=2", E::InvalidRequest),
        ("nonce=%ff", E::InvalidRequest),
        ("resource=https://unknown.example", E::InvalidTarget),
        (
            "code_challenge=short&code_challenge_method=S256",
            E::InvalidRequest,
        ),
    ] {
        assert_eq!(accept(replaced, &sample()), Err(code), "{replaced}");
    }
}

#[test]
fn c013_public_clients_and_those_told_to_must_use_pkce() {
    let public = Client {
        authentication: ClientAuthentication::None,
        ..sample()
    };
    let strict = Client {
        pkce: PkcePolicy::Required,
        ..sample()
    };
    for client in [public, strict] {
        assert_eq!(accept("", &client), Err(ErrorCode::InvalidRequest));
        assert!(accept(CHALLENGE, &client).is_ok());
    }
    assert!(accept("", &sample()).is_ok());
}

#[test]
fn display_locales_and_unknown_parameters_change_nothing() {
    let plain = accept("", &sample()).unwrap();
    let decorated = accept(
        "display=popup&ui_locales=de+en&claims_locales=fr&foo=bar&display=&x=",
        &sample(),
    );
    assert_eq!(
        decorated,
        Err(ErrorCode::InvalidRequest),
        "a repeated parameter is a fault even if unknown"
    );
    assert_eq!(
        accept(
            "display=popup&ui_locales=de+en&claims_locales=fr&foo=bar",
            &sample()
        )
        .unwrap(),
        plain
    );
}

#[test]
fn scope_values_beyond_the_client_are_ignored() {
    let request = accept("scope=openid+email+admin", &sample()).unwrap();
    assert_eq!(request.scope.to_string(), "email openid");
}
