//! What somebody typed to name an account: its canonical form is the canonical form of itself, and of
//! any spelling in capitals, so that no counter is evaded and no account has a twin.
#![no_main]

use countersign::domain::user::{Email, Username, canonical_login_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(canonical) = canonical_login_name(text) else {
        return;
    };
    assert_eq!(canonical_login_name(&canonical).as_ref(), Ok(&canonical));
    assert!(!canonical.contains(|c: char| c.is_control() || c.is_whitespace()));
    if text.is_ascii() {
        assert_eq!(
            canonical_login_name(&text.to_ascii_uppercase()).as_ref(),
            Ok(&canonical)
        );
    }
    if let Ok(name) = Username::parse(text) {
        assert_eq!(name.as_str(), canonical);
        assert!(Email::parse(text).is_err(), "either a name or an address");
    }
});
