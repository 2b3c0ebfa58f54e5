//! A client's JWK Set: strict JSON is a part of JSON, and no set with a secret is ever accepted.
#![no_main]

use countersign::infrastructure::jose::{parse_unique, validate_client_jwks};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let Ok(jwks) = parse_unique(text) else {
        return;
    };
    assert_eq!(
        serde_json::from_slice::<Value>(text).ok().as_ref(),
        Some(&jwks)
    );
    if validate_client_jwks(&jwks).is_ok() {
        let keys = jwks["keys"].as_array().expect("an accepted set has keys");
        assert!(
            keys.iter()
                .all(|key| key.get("d").is_none() && key.get("k").is_none())
        );
    }
});
