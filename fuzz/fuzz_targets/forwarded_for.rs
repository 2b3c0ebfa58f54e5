//! `X-Forwarded-For`, one header a line: what stands left of the last stranger changes nothing, and
//! nobody but a trusted proxy is believed.
#![no_main]

use std::net::IpAddr;

use countersign::web::guard::caller;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

fuzz_target!(|text: &[u8]| {
    let trusted = ["10.0.0.0/8".parse().expect("a network")];
    let (proxy, stranger) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            headers.append(FORWARDED, line);
        }
    }
    assert_eq!(caller(stranger, &headers, &trusted), stranger);
    let found = caller(proxy, &headers, &trusted);
    let mut spoofed = HeaderMap::new();
    spoofed.append(FORWARDED, HeaderValue::from_static("198.51.100.4"));
    for line in headers.get_all(FORWARDED) {
        spoofed.append(FORWARDED, line.clone());
    }
    if trusted[0].contains(&found) {
        assert_eq!(caller(proxy, &spoofed, &trusted), IpAddr::from([198, 51, 100, 4]));
    } else {
        assert_eq!(caller(proxy, &spoofed, &trusted), found);
    }
});
