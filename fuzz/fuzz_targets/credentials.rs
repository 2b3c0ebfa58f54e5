//! An `Authorization` header (first line) and a form (the rest): who the client says to be has one
//! source and is printable; a bearer token is what RFC 6750 §2.1 spells.
#![no_main]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::{
    domain::client::ClientAuthMethod,
    protocol::{
        bearer,
        client_auth::{Credentials, Proof},
        params::Params,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut parts = text.splitn(2, |byte| *byte == b'\n');
    let header = parts.next().unwrap_or_default();
    let params = Params::parse(parts.next().unwrap_or_default());
    for header in [None, Some(header)] {
        if let Ok(credentials) = Credentials::parse(header, &params) {
            check(header, &params, &credentials);
        }
        if let Ok(Some(token)) = bearer::token(header, &params, &Params::default()) {
            assert!(!token.is_empty());
            if header.is_some() && params.get("access_token").is_none() {
                assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
});

fn check(header: Option<&[u8]>, params: &Params, credentials: &Credentials) {
    let client = credentials.client.as_str();
    assert!(params.get("client_id").is_none_or(|named| named == client));
    match &credentials.proof {
        Proof::None => assert!(header.is_none() && params.get("client_id").is_some()),
        Proof::Secret(ClientAuthMethod::ClientSecretBasic, secret) => {
            assert!(params.get("client_secret").is_none());
            assert!(params.get("client_assertion").is_none());
            let header = std::str::from_utf8(header.expect("a header")).expect("text");
            let (scheme, encoded) = header.split_once(' ').expect("two words");
            assert!(scheme.eq_ignore_ascii_case("basic"));
            assert!(STANDARD.decode(encoded.trim()).is_ok());
            assert!(!client.is_empty() && !secret.is_empty());
            assert!(!client.contains(char::is_control) && !secret.contains(char::is_control));
        }
        Proof::Secret(_, secret) => {
            assert!(header.is_none());
            assert_eq!(params.get("client_secret"), Some(secret.as_str()));
        }
        Proof::Assertion(assertion) => {
            assert!(header.is_none());
            assert_eq!(params.get("client_assertion"), Some(assertion.as_str()));
        }
    }
}
