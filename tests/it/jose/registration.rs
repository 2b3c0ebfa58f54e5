//! The JWK Sets of clients.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::infrastructure::jose::{JwksError, validate_client_jwks};
use proptest::prelude::*;
use serde_json::{Value, json};

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn check(key: &Value) -> Result<(), JwksError> {
    validate_client_jwks(&json!({ "keys": [key] }))
}

/// An RSA key with so many bits. Nobody can see that its modulus has no two prime factors.
fn rsa(bits: usize, exponent: &[u8]) -> Value {
    let mut n = vec![0xAB; bits.div_ceil(8)];
    n[0] = match bits % 8 {
        0 => 0x80,
        rest => 1 << (rest - 1),
    };
    json!({ "kty": "RSA", "n": encoded(&n), "e": encoded(exponent) })
}

fn ec() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

fn ed() -> Value {
    // RFC 8037 appendix A.2.
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

const USUAL: &[u8] = &[1, 0, 1];

#[test]
fn ordinary_keys_are_accepted_together() {
    let keys = [
        ec(),
        ed(),
        rsa(2048, USUAL),
        rsa(4096, USUAL),
        rsa(3072, &[0xFF; 4]),
    ];
    for key in &keys {
        assert_eq!(check(key), Ok(()), "{key}");
    }
    assert_eq!(validate_client_jwks(&json!({ "keys": keys })), Ok(()));
}

#[test]
fn c083_weak_slow_and_odd_rsa_keys_are_refused() {
    for bits in [512, 1024, 2047, 4097, 8192, 16_384] {
        assert_eq!(
            check(&rsa(bits, USUAL)),
            Err(JwksError::UnusualRsa),
            "{bits}"
        );
    }
    let exponents: [&[u8]; 8] = [
        &[],
        &[0],
        &[1],
        &[3],
        &[17],
        &[1, 0, 0],
        &[1, 0, 0, 0, 1],
        &[0xFF; 256],
    ];
    for e in exponents {
        assert_eq!(check(&rsa(2048, e)), Err(JwksError::UnusualRsa), "{e:?}");
    }
    let mut padded = rsa(1024, USUAL);
    padded["n"] = json!(encoded(&[vec![0; 128], vec![0xAB; 128]].concat()));
    assert_eq!(
        check(&padded),
        Err(JwksError::UnusualRsa),
        "zeros are no bits"
    );
    let mut even = rsa(2048, USUAL);
    even["n"] = json!(encoded(&[0xAA; 256]));
    assert_eq!(check(&even), Err(JwksError::UnusualRsa));
}

#[test]
fn c080_a_point_off_its_curve_is_refused() {
    for (x, y) in [
        ([1_u8; 32], [1_u8; 32]),
        ([0; 32], [0; 32]),
        ([0xFF; 32], [0xFF; 32]),
    ] {
        let mut key = ec();
        key["x"] = json!(encoded(&x));
        key["y"] = json!(encoded(&y));
        assert_eq!(check(&key), Err(JwksError::Malformed), "{x:?}");
    }
}

#[test]
fn c088_private_and_symmetric_keys_are_refused() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for mut key in [ec(), ed(), rsa(2048, USUAL)] {
            key[name] = json!("AAAA");
            assert_eq!(check(&key), Err(JwksError::Secret), "{name}");
        }
    }
    assert_eq!(check(&json!({ "kty": "oct" })), Err(JwksError::Secret));
    let hidden = json!({ "kty": "EC", "crv": "P-521", "use": "enc", "d": "AAAA" });
    let set = json!({ "keys": [ec(), hidden] });
    assert_eq!(validate_client_jwks(&set), Err(JwksError::Secret));
}

#[test]
fn keys_of_kinds_that_are_not_offered_do_not_disturb() {
    let other = json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" });
    assert_eq!(check(&other), Err(JwksError::NoneUsable));
    let set = json!({ "keys": [other, { "kty": "AKP" }, ec()] });
    assert_eq!(validate_client_jwks(&set), Ok(()));
}

#[test]
fn a_set_without_measure_or_form_is_refused() {
    let many = json!({ "keys": vec![ec(); 17] });
    assert_eq!(validate_client_jwks(&many), Err(JwksError::TooLarge));
    let mut long = ec();
    long["x5c"] = json!("A".repeat(70_000));
    assert_eq!(check(&long), Err(JwksError::TooLarge));
    for set in [json!(null), json!([]), json!({}), json!({ "keys": {} })] {
        assert_eq!(validate_client_jwks(&set), Err(JwksError::NotASet), "{set}");
    }
    assert_eq!(
        validate_client_jwks(&json!({ "keys": [] })),
        Err(JwksError::NoneUsable)
    );
    for (name, value) in [
        ("kty", json!(1)),
        ("kid", json!({})),
        ("x", json!("AA")),
        ("x", json!("A+/=")),
        ("use", json!(["sig"])),
        ("alg", json!(null)),
        ("key_ops", json!("verify")),
        ("kid", json!("k".repeat(300))),
    ] {
        let mut key = ec();
        key[name] = value;
        assert_eq!(check(&key), Err(JwksError::Malformed), "{name}");
    }
}

proptest! {
    #[test]
    fn c081_members_of_any_length_are_judged_calmly(
        x in prop::collection::vec(any::<u8>(), 0..80),
        y in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        for kind in [("EC", "P-256"), ("OKP", "Ed25519"), ("RSA", "")] {
            let key = json!({
                "kty": kind.0, "crv": kind.1, "x": encoded(&x), "y": encoded(&y),
                "n": encoded(&x), "e": encoded(&y),
            });
            let is_ed = kind.0 == "OKP" && x.len() == 32;
            prop_assert_eq!(check(&key).is_ok(), is_ed);
        }
    }
}
