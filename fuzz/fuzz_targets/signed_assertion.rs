//! Header (first line) and claims (the rest) of an assertion that is signed properly, so that what
//! comes after the signature is reached: what passes says what RFC 7523 demands, and for a minute only.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    domain::{client::AssertionAudience, id::ClientId, time::Timestamp},
    infrastructure::jose::verify_assertion,
    protocol::{
        client_assertion::{self, Audience},
        issuer::Issuer,
    },
};
use josekit::{
    jwk::{
        KeyPair as _,
        alg::ec::{EcCurve, EcKeyPair},
    },
    jws::{self, JwsSigner as _, alg::ecdsa::EcdsaJwsSigner},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_700_000_000);
const ISSUER: &str = "https://id.example";

struct Site {
    signer: EcdsaJwsSigner,
    jwks: Value,
    issuer: Issuer,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let pair = EcKeyPair::generate(EcCurve::P256).expect("a key");
    let key = serde_json::from_str::<Value>(&pair.to_jwk_public_key().to_string());
    Site {
        signer: jws::ES256
            .signer_from_jwk(&pair.to_jwk_private_key())
            .expect("a signer"),
        jwks: json!({ "keys": [key.expect("a public key")] }),
        issuer: Issuer::parse(ISSUER).expect("an issuer"),
    }
});

fuzz_target!(|parts: (&str, &str)| {
    let (header, payload) = parts;
    let encode = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = SITE.signer.sign(message.as_bytes()).expect("a signature");
    let assertion = format!("{message}.{}", encode(&signature));
    let Ok(claims) = verify_assertion(&assertion, &SITE.jwks, None) else {
        return;
    };
    let read: Value = serde_json::from_str(header).expect("what passed is JSON");
    assert_eq!(read["alg"], "ES256");
    assert!(["crit", "b64", "zip", "enc"].iter().all(|name| read.get(name).is_none()));
    let client = client_assertion::claimed_subject(&assertion);
    assert_eq!(
        client.as_ref().map(ClientId::as_str),
        claims.get("sub").and_then(Value::as_str)
    );
    let client = ClientId::new("c");
    let audience = Audience {
        issuer: &SITE.issuer,
        policy: AssertionAudience::Issuer,
    };
    if let Ok(once) = client_assertion::check(&claims, &client, audience, NOW) {
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("c"), &json!("c")));
        assert_eq!(claims["aud"], ISSUER);
        assert!(!once.id.is_empty() && once.expires_at > NOW);
        assert!(once.expires_at.0 <= NOW.0 + 300);
        // Two minutes later it is good no more, whatever it says.
        let later = Timestamp(NOW.0 + 120);
        assert!(client_assertion::check(&claims, &client, audience, later).is_err());
    }
});
