//! Hostile tokens. Most are signed properly, so that the one thing wrong with each is what refuses it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    application::ports::{InvalidToken, KeysOfClient, TokenSigner as _},
    domain::algorithm::SigningAlgorithm,
    infrastructure::jose::verify_assertion,
    protocol::{access_token, id_token},
};
use josekit::{
    jwk::{
        Jwk, KeyPair as _,
        alg::{ec::EcCurve, ec::EcKeyPair, rsa::RsaKeyPair},
    },
    jws::{self, JwsSigner},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NOW, Site};

/// A client with one key.
struct Client {
    signer: Box<dyn JwsSigner>,
    public: Jwk,
    jwks: Value,
}

impl Client {
    fn ec() -> Self {
        let pair = EcKeyPair::generate(EcCurve::P256).unwrap();
        let signer = jws::ES256
            .signer_from_jwk(&pair.to_jwk_private_key())
            .unwrap();
        Self::new(Box::new(signer), pair.to_jwk_public_key())
    }

    fn rsa() -> Self {
        let pair = RsaKeyPair::generate(2048).unwrap();
        let signer = jws::RS256
            .signer_from_jwk(&pair.to_jwk_private_key())
            .unwrap();
        Self::new(Box::new(signer), pair.to_jwk_public_key())
    }

    fn new(signer: Box<dyn JwsSigner>, public: Jwk) -> Self {
        let mut key: Value = serde_json::from_str(&public.to_string()).unwrap();
        key["kid"] = json!("k");
        Self {
            signer,
            public,
            jwks: json!({ "keys": [key] }),
        }
    }

    /// Signs any two texts.
    fn sign(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(payload));
        let signature = self.signer.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", encoded(signature))
    }

    /// Signs a proper payload under a header with one more member.
    fn with_header(&self, name: &str, value: &Value) -> Result<(), InvalidToken> {
        let mut header = json!({ "alg": self.signer.algorithm().name(), "kid": "k" });
        header[name] = value.clone();
        self.check(&self.sign(&header.to_string(), &payload()))
    }

    fn check(&self, token: &str) -> Result<(), InvalidToken> {
        verify_assertion(token, KeysOfClient::Set(&self.jwks), None).map(drop)
    }
}

fn payload() -> String {
    json!({ "iss": "c", "exp": NOW.0 }).to_string()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const REFUSED: Result<(), InvalidToken> = Err(InvalidToken);

#[test]
fn proper_assertions_pass_with_and_without_kid_and_typ() {
    for client in [Client::ec(), Client::rsa()] {
        let alg = client.signer.algorithm().name().to_owned();
        for header in [
            json!({ "alg": alg }),
            json!({ "alg": alg, "kid": "k" }),
            json!({ "alg": alg, "typ": "JWT" }),
            json!({ "alg": alg, "typ": "application/client-authentication+jwt" }),
        ] {
            let token = client.sign(&header.to_string(), &payload());
            assert_eq!(client.check(&token), Ok(()), "{header}");
            let only = verify_assertion(
                &token,
                KeysOfClient::Set(&client.jwks),
                Some(SigningAlgorithm::EdDsa.into()),
            );
            assert_eq!(
                only,
                Err(InvalidToken),
                "the client registered another algorithm"
            );
        }
    }
}

#[test]
fn a_token_without_kid_is_tried_on_every_key_that_fits() {
    let (one, two) = (Client::ec(), Client::ec());
    let keys = [&one, &two].map(|client| serde_json::to_value(client.public.as_ref()).unwrap());
    let jwks = json!({ "keys": keys });
    for client in [&one, &two] {
        let token = client.sign(r#"{"alg":"ES256"}"#, &payload());
        assert!(verify_assertion(&token, KeysOfClient::Set(&jwks), None).is_ok());
    }
}

#[test]
fn c062_a_public_key_is_no_mac_key() {
    let client = Client::rsa();
    let n = URL_SAFE_NO_PAD.decode(client.public.parameter("n").unwrap().as_str().unwrap());
    let verifier = RsaKeyPair::generate(2048).unwrap();
    for secret in [
        n.unwrap(),
        client.public.to_string().into_bytes(),
        verifier.to_pem_public_key(),
    ] {
        for (name, algorithm) in [
            ("HS256", jws::HS256),
            ("HS384", jws::HS384),
            ("HS512", jws::HS512),
        ] {
            let message = format!(
                "{}.{}",
                encoded(json!({ "alg": name, "kid": "k" }).to_string()),
                encoded(payload())
            );
            let mac = algorithm.signer_from_bytes(&secret).unwrap();
            let mac = mac.sign(message.as_bytes()).unwrap();
            assert_eq!(
                client.check(&format!("{message}.{}", encoded(&mac))),
                REFUSED
            );
            // The same under the name of the key's own algorithm.
            let (_, body) = message.split_once('.').unwrap();
            let token = format!("{}.{body}.{}", encoded(r#"{"alg":"RS256"}"#), encoded(&mac));
            assert_eq!(client.check(&token), REFUSED);
        }
    }
}

#[test]
fn c063_unsigned_tokens_are_refused() {
    let client = Client::ec();
    for alg in [
        "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "RS256", "ES256",
    ] {
        let message = format!(
            "{}.{}",
            encoded(json!({ "alg": alg }).to_string()),
            encoded(payload())
        );
        for token in [
            format!("{message}."),
            message.clone(),
            format!("{message}.AAAA"),
        ] {
            assert_eq!(client.check(&token), REFUSED, "{alg}");
        }
    }
    assert_eq!(client.check(&client.sign("{}", &payload())), REFUSED);
    assert_eq!(
        client.check(&client.sign(r#"{"alg":["ES256"]}"#, &payload())),
        REFUSED
    );
}

#[test]
fn c067_keys_in_headers_are_ignored() {
    let (client, thief) = (Client::ec(), Client::ec());
    let own: Value = serde_json::from_str(&thief.public.to_string()).unwrap();
    for (name, value) in [
        ("jwk", own),
        ("jku", json!("http://127.0.0.1:1/jwks")),
        ("x5u", json!("http://127.0.0.1:1/cert")),
        ("x5c", json!(["AAAA"])),
    ] {
        assert_eq!(
            client.with_header(name, &value),
            Ok(()),
            "{name} changes nothing"
        );
        let header = json!({ "alg": "ES256", "kid": "k", name: value });
        assert_eq!(
            client.check(&thief.sign(&header.to_string(), &payload())),
            REFUSED,
            "{name}"
        );
    }
}

#[test]
fn c068_a_hostile_kid_finds_no_key() {
    let client = Client::ec();
    for kid in [
        json!("other"),
        json!("../../../dev/null"),
        json!("k' OR '1'='1"),
        json!("k\u{0}"),
        json!(""),
        json!("k".repeat(1_000)),
        json!("k".repeat(1_000_000)),
        json!(1),
        json!(null),
        json!(["k"]),
    ] {
        assert_eq!(client.with_header("kid", &kid), REFUSED);
    }
}

#[test]
fn c078_c079_c081_c082_encrypted_tokens_are_refused_before_they_are_decoded() {
    let client = Client::ec();
    let header = |alg: &str, enc: &str| {
        let header = json!({ "alg": alg, "enc": enc, "zip": "DEF", "p2c": 1_000_000_000_u64, "p2s": "AAAA" });
        encoded(header.to_string())
    };
    for alg in [
        "dir",
        "RSA1_5",
        "RSA-OAEP-256",
        "A128KW",
        "ECDH-ES",
        "PBES2-HS256+A128KW",
    ] {
        for enc in ["A128GCM", "A128CBC-HS256"] {
            for (iv, tag) in [(12, 16), (12, 1), (0, 0), (16, 15), (16, 17)] {
                let (iv, tag) = (encoded(vec![0; iv]), encoded(vec![0; tag]));
                let head = header(alg, enc);
                for token in [
                    format!("{head}.AAAA.{iv}.{}.{tag}", encoded([0; 64])),
                    format!("{head}..{iv}..{tag}"),
                    format!("{head}.{}.{tag}", encoded(payload())),
                ] {
                    assert_eq!(client.check(&token), REFUSED, "{alg} {enc}");
                }
            }
        }
    }
    assert_eq!(client.with_header("zip", &json!("DEF")), REFUSED);
}

#[test]
fn c083_a_weak_key_verifies_nothing_wherever_it_came_from() {
    let client = Client::rsa();
    let token = client.sign(r#"{"alg":"RS256"}"#, &payload());
    let mut jwks = client.jwks.clone();
    jwks["keys"][0]["e"] = json!("AQ");
    assert!(verify_assertion(&token, KeysOfClient::Set(&jwks), None).is_err());
    assert_eq!(client.check(&token), Ok(()));
}

#[test]
fn c084_monstrous_dates_are_refused() {
    let client = Client::ec();
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for value in [
            "1e300",
            "-1e300",
            "1e400",
            "-1",
            "18446744073709551615",
            "\"1700000000\"",
            "true",
            "null",
            "[]",
            "{}",
        ] {
            let token = client.sign(r#"{"alg":"ES256"}"#, &format!(r#"{{"{name}":{value}}}"#));
            assert_eq!(client.check(&token), REFUSED, "{name} {value}");
        }
    }
    for value in ["0", "1700000000", "1700000000.5", "1.7e9"] {
        let token = client.sign(r#"{"alg":"ES256"}"#, &format!(r#"{{"exp":{value}}}"#));
        assert_eq!(client.check(&token), Ok(()), "{value}");
    }
}

#[test]
fn c085_critical_extensions_are_refused() {
    let client = Client::ec();
    for value in [
        json!(["exp"]),
        json!(["b64"]),
        json!([]),
        json!("exp"),
        json!(null),
        json!({}),
    ] {
        assert_eq!(client.with_header("crit", &value), REFUSED, "{value}");
    }
    for value in [json!(false), json!(true)] {
        assert_eq!(client.with_header("b64", &value), REFUSED, "{value}");
    }
}

#[test]
fn c086_members_that_come_twice_are_refused() {
    let client = Client::ec();
    for (header, payload) in [
        (r#"{"alg":"ES256","alg":"ES256"}"#, "{}"),
        (r#"{"alg":"none","alg":"ES256"}"#, "{}"),
        (r#"{"alg":"ES256","kid":"k","\u006bid":"k"}"#, "{}"),
        (r#"{"alg":"ES256"}"#, r#"{"sub":"a","sub":"b"}"#),
        (r#"{"alg":"ES256"}"#, r#"{"a":{"b":1,"b":1}}"#),
        (r#"{"alg":"ES256"}"#, "[]"),
        (r#"{"alg":"ES256"}"#, ""),
    ] {
        assert_eq!(
            client.check(&client.sign(header, payload)),
            REFUSED,
            "{header} {payload}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c087_a_token_is_taken_only_for_what_it_is() {
    let node = Site::new().await.node().await;
    let types = [access_token::TYP, id_token::TYP, "logout+jwt"];
    for made in types {
        let token = node.sign(made, SigningAlgorithm::Es256, b"{}").unwrap();
        for wanted in types {
            let verified = node.verify(wanted, &token).await;
            assert_eq!(verified.is_ok(), made == wanted, "{made} as {wanted}");
        }
        let assertion = node.verify_assertion(&token, KeysOfClient::Set(&super::jwks(&node)), None);
        assert_eq!(assertion.is_ok(), made == id_token::TYP, "{made}");
    }
}

#[test]
fn c089_signatures_of_zeros_or_of_another_length_are_refused() {
    let client = Client::ec();
    let token = client.sign(r#"{"alg":"ES256"}"#, &payload());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let longer = [&signature[..], &[0]].concat();
    for wrong in [
        &[0; 64][..],
        &[],
        &[0; 63],
        &[0; 65],
        &signature[..63],
        &longer,
        &[0xFF; 64],
    ] {
        assert_eq!(
            client.check(&format!("{message}.{}", encoded(wrong))),
            REFUSED
        );
    }
    for ending in ["=", "==", "\n", " ", ".", "+", "é"] {
        assert_eq!(
            client.check(&format!("{token}{ending}")),
            REFUSED,
            "{ending:?}"
        );
    }
    let client = Client::rsa();
    let token = client.sign(r#"{"alg":"RS256"}"#, &payload());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let padded = [&[0], &signature[..]].concat();
    for wrong in [&signature[..255], &padded, &[0; 256], &[0xFF; 256]] {
        assert_eq!(
            client.check(&format!("{message}.{}", encoded(wrong))),
            REFUSED
        );
    }
}

#[test]
fn a_token_beyond_all_measure_is_refused() {
    let client = Client::ec();
    let long = |length: usize| {
        client.sign(
            r#"{"alg":"ES256"}"#,
            &json!({ "a": "a".repeat(length) }).to_string(),
        )
    };
    assert_eq!(client.check(&long(11_000)), Ok(()));
    assert_eq!(client.check(&long(13_000)), REFUSED);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_byte_of_a_token_passes(at: prop::sample::Index, byte in "[A-Za-z0-9_.-]") {
        let client = Client::ec();
        let mut token = client.sign(r#"{"alg":"ES256"}"#, &payload());
        let at = at.index(token.len());
        prop_assume!(!token[at..].starts_with(&byte));
        token.replace_range(at..=at, &byte);
        prop_assert_eq!(client.check(&token), REFUSED);
    }
}
