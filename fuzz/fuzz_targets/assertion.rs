//! A client assertion (first line) against a JWK Set (the rest): nothing may panic, and what verified
//! must have a signature.
#![no_main]

use countersign::infrastructure::jose::{parse_unique, verify_assertion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (assertion, jwks) = text.split_once('\n').unwrap_or((text, ""));
    let jwks = parse_unique(jwks.as_bytes()).unwrap_or_default();
    if verify_assertion(assertion, &jwks, None).is_ok() {
        assert_eq!(assertion.split('.').count(), 3);
        assert!(!assertion.ends_with('.'));
    }
});
