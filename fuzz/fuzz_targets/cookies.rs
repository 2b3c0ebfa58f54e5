//! Cookie headers, one a line: after the ambiguous ones were taken out, none of ours is there twice or
//! in disguise, others' cookies are untouched, and taking out again changes nothing.
#![no_main]

use std::collections::BTreeSet;

use countersign::web::cookies::Cookies;
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

const OURS: &str = "__Host-countersign";

fuzz_target!(|text: &[u8]| {
    let cookies = Cookies::new(true);
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            headers.append(header::COOKIE, line);
        }
    }
    let before = names(&headers);
    cookies.take_ambiguous(&mut headers);
    let after = names(&headers);
    let mut seen = BTreeSet::new();
    for name in after.iter().filter(|name| is_ours(&decoded(name))) {
        assert_eq!(&decoded(name), name, "in disguise");
        assert!(seen.insert(name), "twice: {name}");
    }
    let others = |names: &[String]| -> Vec<String> {
        let mut names = names.to_vec();
        names.retain(|name| !is_ours(&decoded(name)) && !name.is_empty());
        names
    };
    assert_eq!(others(&before), others(&after));
    assert!(cookies.take_ambiguous(&mut headers).is_empty());
    assert_eq!(names(&headers), after);
    if let Some(device) = cookies.device(&headers) {
        let line = cookies.set_device(&device).expect("a cookie");
        let line = line.to_str().expect("text");
        let (_, value) = line.split(';').next().unwrap_or_default().split_once('=').expect("a value");
        assert!(String::from_utf8_lossy(text).contains(value), "one spelling");
    }
});

fn names(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| std::str::from_utf8(line.as_bytes()).ok())
        .flat_map(|line| line.split(';'))
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name).trim().to_owned())
        .collect()
}

fn decoded(name: &str) -> String {
    percent_decode_str(name).decode_utf8_lossy().into_owned()
}

fn is_ours(name: &str) -> bool {
    name.strip_prefix(OURS).is_some_and(|rest| {
        rest.is_empty()
            || rest.starts_with("-flow-")
            || matches!(rest, "-device" | "-playground")
    })
}
