//! What a handler knows about its request besides the request itself.

use axum::http::{HeaderMap, HeaderName, Uri, header, request::Parts};

use crate::{
    application::trail::Origin,
    domain::{certificate::PresentedCertificate, user_session},
    protocol::params::Params,
};

/// The peer's address, set once per request by the guard.
#[derive(Clone, Debug)]
pub struct PeerAddress(pub std::net::IpAddr);

/// The certificate of the connection, put there by the listener that asks for one, or by the guard where a
/// trusted proxy tells of it; by nobody else.
#[derive(Clone, Debug, Default)]
pub struct ClientCertificate(pub Option<PresentedCertificate>);

/// The certificate that came with the request.
pub fn certificate(parts: &Parts) -> Option<PresentedCertificate> {
    parts
        .extensions
        .get::<ClientCertificate>()
        .and_then(|it| it.0.clone())
}

/// The identifier that log, error page and audit event share, set once per request by the guard.
#[derive(Clone, Debug)]
pub struct TraceId(pub String);

/// Where the request comes from, for audit events and limits.
pub fn origin(parts: &Parts) -> Origin {
    Origin {
        address: parts
            .extensions
            .get::<PeerAddress>()
            .map(|peer| bucket(peer.0)),
        trace: parts
            .extensions
            .get::<TraceId>()
            .map(|trace| trace.0.clone()),
        by: None,
    }
}

/// What the browser or application says that it is.
pub fn agent(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(header::USER_AGENT)?;
    user_session::agent(&String::from_utf8_lossy(header.as_bytes()))
}

/// One household has one IPv4 address, or one /64 of IPv6.
fn bucket(address: std::net::IpAddr) -> String {
    match address.to_canonical() {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The trace id as the error page shows it.
pub fn trace(parts: &Parts) -> &str {
    parts
        .extensions
        .get::<TraceId>()
        .map_or("", |trace| &trace.0)
}

/// The parameters of the query.
pub fn query(uri: &Uri) -> Params {
    Params::parse(uri.query().unwrap_or_default().as_bytes())
}

/// Whether the body is a form (RFC 6749 Appendix B): said once, in UTF-8 where a charset is named.
pub fn is_form(headers: &HeaderMap) -> bool {
    let Ok(Some(content_type)) = single(headers, &header::CONTENT_TYPE) else {
        return false;
    };
    let mut parts = std::str::from_utf8(content_type)
        .unwrap_or_default()
        .split(';')
        .map(str::trim);
    let is_form = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    is_form
        && parts
            .filter_map(|part| part.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .all(|(_, charset)| {
                charset
                    .trim()
                    .trim_matches('"')
                    .eq_ignore_ascii_case("utf-8")
            })
}

/// Whether a page of ours sent this post. Browsers tell; a program that does not is no browser and
/// has no cookies to abuse. The forms carry a token besides.
pub fn is_same_origin(headers: &HeaderMap, own: &str) -> bool {
    const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let text = |name: HeaderName| match single(headers, &name) {
        Ok(value) => Ok(value.map(|value| std::str::from_utf8(value).unwrap_or_default())),
        Err(Repeated) => Err(Repeated),
    };
    let origin_fits = text(header::ORIGIN).is_ok_and(|it| it.is_none_or(|origin| origin == own));
    let site_fits = text(SEC_FETCH_SITE)
        .is_ok_and(|it| it.is_none_or(|site| matches!(site, "same-origin" | "none")));
    origin_fits && site_fits
}

/// More than one header of a name that may come once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

/// The value of a header that may come once.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(axum::http::HeaderValue::as_bytes)),
        (_, Some(_)) => Err(Repeated),
    }
}
