//! Headers that every answer carries, unless its handler was stricter.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::Scheme;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Two years, as browsers ask (RFC 6797 section 6.1.1). Other hosts of the domain are their owners'
/// to decide about.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000");

pub(super) fn put(headers: &mut HeaderMap, scheme: Scheme, trace: &str) {
    if scheme == Scheme::Https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    // The one page that others may hold in a frame says so.
    let is_framed = headers
        .get(header::CONTENT_SECURITY_POLICY)
        .is_some_and(|policy| policy.as_bytes().ends_with(b"frame-ancestors *"));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        if is_framed && name == header::X_FRAME_OPTIONS {
            continue;
        }
        let entry = headers.entry(name);
        entry.or_insert(HeaderValue::from_static(value));
    }
    if let Ok(trace) = HeaderValue::try_from(trace) {
        headers.entry(REQUEST_ID).or_insert(trace);
    }
}
