//! Form parameters: what is handed out is short text without control characters, and whatever was
//! repeated is a fault of the request.
#![no_main]

use countersign::protocol::params::Params;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|encoded: &[u8]| {
    let mut params = Params::parse(encoded);
    for name in [
        "a",
        "state",
        "client_id",
        "redirect_uri",
        "client_assertion",
    ] {
        if let Some(value) = params.get(name) {
            assert!(!value.is_empty() && value.len() <= 16 * 1024);
            assert!(!value.contains(char::is_control));
        }
    }
    params.extend(b"state=x&state=y");
    assert!(params.fault().is_some());
});
