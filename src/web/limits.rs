//! The limits as callers see them: 429 with `Retry-After` (RFC 6585 §4), and `RateLimit-Policy` and
//! `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 writes them: lists of named policies, such as
//! `"address";q=6000;w=60` and `"address";r=5999;t=31`. One policy is told of, the one that is closest
//! to its end.

use std::io::Write as _;

use axum::{
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::Response,
};

use super::{Web, answer, context, context::PeerAddress, pages::ErrorCause, respond};
use crate::application::{
    Failure,
    limits::{Endpoint, Limited, Standing, WINDOW},
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Counts a request by the address that it comes from, before anything of it is looked at. Without an
/// address (there is no guard around the routes) nothing is counted.
pub async fn enter(
    web: &Web,
    parts: &Parts,
    endpoint: Endpoint,
) -> Result<Option<Standing>, Limited> {
    match parts.extensions.get::<PeerAddress>() {
        Some(PeerAddress(address)) => web.ports.limits.take_address(endpoint, *address).await,
        None => Ok(None),
    }
}

/// Tells the caller how it stands.
pub fn tell(response: &mut Response, standing: Option<Standing>) {
    let Some(standing) = standing else {
        return;
    };
    // A refusal has told of what it was refused by.
    if response.headers().contains_key(RATE_LIMIT) {
        return;
    }
    let Standing {
        policy,
        quota,
        remaining,
        resets_in,
    } = standing;
    let (policy, reset) = (policy.as_str(), resets_in.as_secs());
    let headers = response.headers_mut();
    let lines = [
        (
            RATE_LIMIT_POLICY,
            line(format_args!("\"{policy}\";q={quota};w={WINDOW}")),
        ),
        (
            RATE_LIMIT,
            line(format_args!("\"{policy}\";r={remaining};t={reset}")),
        ),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

/// 429 in JSON, for programs.
pub fn refuse(limited: Limited) -> Response {
    answer::failure(&Failure::from(limited), None)
}

/// 429 as a page, for people.
pub fn refuse_page(limited: Limited, parts: &Parts) -> Response {
    tracing::info!(%limited, "request refused");
    let mut response = respond::error(ErrorCause::TooManyRequests, context::trace(parts));
    put_off(&mut response, limited);
    response
}

/// When to come back, and why not now.
pub fn put_off(response: &mut Response, Limited(standing): Limited) {
    let seconds = HeaderValue::from(standing.resets_in.as_secs());
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    tell(response, Some(standing));
}

/// Every request gets two of these, so they are written where they cost no memory of their own.
fn line(text: std::fmt::Arguments<'_>) -> Option<HeaderValue> {
    let mut buffer = [0_u8; 96];
    let mut rest = buffer.as_mut_slice();
    rest.write_fmt(text).ok()?;
    let length = 96 - rest.len();
    HeaderValue::from_bytes(buffer.get(..length)?).ok()
}
