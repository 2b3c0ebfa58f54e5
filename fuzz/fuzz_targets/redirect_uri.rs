//! A registered redirection URI (first line) against a requested one (second line): equal bytes always
//! match, and other bytes only where the host is a loopback address.
#![no_main]

use countersign::domain::redirect_uri::RedirectUri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (registered, requested) = text.split_once('\n').unwrap_or((text, text));
    let Ok(uri) = RedirectUri::parse(registered) else {
        return;
    };
    assert!(uri.matches(registered));
    if uri.matches(requested) && requested != registered {
        let is_loopback =
            |uri: &str| uri.starts_with("http://127.") || uri.starts_with("http://[::1]");
        assert!(
            is_loopback(registered) && is_loopback(requested),
            "{requested}"
        );
    }
});
