//! A refresh token: there is one spelling of each, and nobody makes one without the key.
#![no_main]

use countersign::protocol::refresh::{RefreshKey, RefreshToken};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(token) = text.parse::<RefreshToken>() else {
        return;
    };
    assert_eq!(token.to_string(), text);
    assert!(!RefreshKey::new([7; 32]).is_genuine(&token));
});
