//! The JWK Sets of clients.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::infrastructure::jose::{JwksError, validate_client_jwks};
use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION};
use josekit::jwk::{KeyPair as _, alg::rsa::RsaKeyPair};
use num_bigint::BigUint;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::client_assertions::small_order_points;

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn check(key: &Value) -> Result<(), JwksError> {
    validate_client_jwks(&json!({ "keys": [key] }))
}

/// An RSA key with so many bits and a modulus that nobody would make.
fn rsa(bits: usize, exponent: &[u8]) -> Value {
    let mut n = vec![0xAB; bits.div_ceil(8)];
    n[0] = match bits % 8 {
        0 => 0x80,
        rest => 1 << (rest - 1),
    };
    json!({ "kty": "RSA", "n": encoded(&n), "e": encoded(exponent) })
}

/// An RSA key as it should be.
fn real_rsa(bits: u32) -> Value {
    let pair = RsaKeyPair::generate(bits).unwrap();
    serde_json::from_str(&pair.to_jwk_public_key().to_string()).unwrap()
}

/// The prime factors of an RSA modulus of so many bits.
fn factors(bits: u32) -> [BigUint; 2] {
    let jwk = RsaKeyPair::generate(bits).unwrap().to_jwk_private_key();
    ["p", "q"].map(|name| {
        let text = jwk.parameter(name).and_then(Value::as_str).unwrap();
        BigUint::from_bytes_be(&URL_SAFE_NO_PAD.decode(text).unwrap())
    })
}

fn next_prime(after: &BigUint) -> BigUint {
    let mut candidate = after + 2_u32;
    while BigUint::from(2_u32).modpow(&(&candidate - 1_u32), &candidate) != BigUint::from(1_u32) {
        candidate += 2_u32;
    }
    candidate
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
    let keys = [ec(), ed(), real_rsa(2048), real_rsa(3072), real_rsa(4096)];
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
fn c083_rsa_moduli_that_anybody_can_factor_are_refused() {
    let ([p, _], [prime, _]) = (factors(2048), factors(4096));
    let weak = [
        ("a prime", prime.clone()),
        ("a square", &p * &p),
        ("close primes", &p * next_prime(&p)),
        ("a small factor", &prime * 65_521_u32),
        ("many factors", BigUint::from_bytes_be(&[0xAB; 256])),
    ];
    for (what, n) in weak {
        let key = json!({ "kty": "RSA", "n": encoded(&n.to_bytes_be()), "e": encoded(USUAL) });
        assert_eq!(check(&key), Err(JwksError::Weak), "{what}");
    }
}

#[test]
fn c083_points_of_small_order_and_other_spellings_are_refused() {
    for x in small_order_points() {
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(&x) });
        let refused = check(&key).unwrap_err();
        assert!(
            matches!(refused, JwksError::Weak | JwksError::Malformed),
            "{x:02x?}"
        );
    }
    let mixed = json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(&[3; 32]) });
    assert!(check(&mixed).is_err());
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
    let other = json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" });
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
            let accepted = check(&key).is_ok();
            prop_assert!(!accepted || kind.0 == "OKP" && x.len() == 32);
        }
    }

    #[test]
    fn c083_every_key_that_somebody_made_is_accepted(seed: [u8; 32]) {
        let point = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(seed));
        prop_assume!(!point.is_small_order());
        let encode = |point: EdwardsPoint| {
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(point.compress().as_bytes()) })
        };
        prop_assert_eq!(check(&encode(point)), Ok(()));
        for torsion in &EIGHT_TORSION[1..] {
            prop_assert_eq!(check(&encode(point + torsion)), Err(JwksError::Weak));
        }
    }
}
