//! Answers of the protocol endpoints: JSON as RFC 6749 §5 wants it, and authorization responses.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use serde_json::json;

use super::{
    csp::Nonce,
    limits,
    pages::{ErrorCause, FormAction, FormPostPage},
    respond,
};
use crate::{
    application::{Failure, Ports, explanation, ports::Document},
    domain::id::ClientId,
    protocol::{
        bearer,
        error::{ErrorCode, OAuthError},
        response_mode::Delivery,
    },
};

/// How long others may keep discovery and JWKS, seconds. Keys are published longer before their use.
const DOCUMENT_MAX_AGE: &str = "public, max-age=300";
/// When to try again, seconds.
const RETRY_AFTER: &str = "2";

/// JSON that nobody may store (RFC 6749 §5.1).
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let bytes = match serde_json::to_vec(body) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(%error, "an answer could not be encoded");
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                b"{\"error\":\"server_error\"}".to_vec(),
            );
        }
    };
    plain(status, bytes)
}

/// An answer with room for all the headers that it will have: a map that grows is made anew.
fn bare(body: Body) -> Response {
    const HEADERS: usize = 16;
    let mut response = Response::new(body);
    *response.headers_mut() = HeaderMap::with_capacity(HEADERS);
    response
}

fn plain(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = bare(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// A JWT that nobody may store (OIDC Core §5.3.2).
pub fn jwt(token: String) -> Response {
    let mut response = plain(StatusCode::OK, token.into_bytes());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/jwt"),
    );
    response
}

/// An error in JSON (RFC 6749 §5.2).
pub fn error(error: &OAuthError) -> Response {
    let body = json!({ "error": error.code.as_str(), "error_description": error.description });
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, &body);
    let headers = response.headers_mut();
    if error.code == ErrorCode::InvalidClient {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"countersign\""),
        );
    }
    if error.code == ErrorCode::TemporarilyUnavailable {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

/// A failed use case in JSON; the log has the cause, and the client that the request named.
pub fn failure(failure: &Failure, client: Option<&ClientId>) -> Response {
    explanation::of(client, failure);
    let mut response = error(&failure.as_oauth());
    if let Failure::Limited(limited) = failure {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        limits::put_off(&mut response, *limited);
    }
    response
}

/// A failed use case at an endpoint that takes access tokens (RFC 6750 §3).
pub fn bearer_failure(failure: &Failure) -> Response {
    let oauth = failure.as_oauth();
    explanation::of(None, failure);
    let mut response = error(&oauth);
    if let Ok(challenge) = HeaderValue::try_from(bearer::challenge(Some(&oauth))) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The answer to a request without any access token: no error code (RFC 6750 §3.1).
pub fn bearer_required() -> Response {
    let mut response = plain(StatusCode::UNAUTHORIZED, b"{}".to_vec());
    if let Ok(challenge) = HeaderValue::try_from(bearer::challenge(None)) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A failed use case as a page.
pub fn failure_page(failure: &Failure, trace: &str) -> Response {
    explanation::of(None, failure);
    match failure {
        Failure::Refused(_) => respond::error(ErrorCause::MalformedRequest, trace),
        Failure::Limited(limited) => {
            let mut response = respond::error(ErrorCause::TooManyRequests, trace);
            limits::put_off(&mut response, *limited);
            response
        }
        Failure::Unavailable(..) => {
            let mut response = respond::error(ErrorCause::ServerBusy, trace);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            response
        }
        Failure::Broken(..) => respond::error(ErrorCause::ServerError, trace),
    }
}

/// A document with its entity tag; 304 if the caller has it (RFC 9110 §13.1.2).
pub fn document(document: &Document, if_none_match: Option<&HeaderValue>) -> Response {
    let known = if_none_match
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| {
            tags.split(',')
                .any(|tag| tag.trim().trim_start_matches("W/") == document.etag)
        });
    let mut response = bare(if known {
        Body::empty()
    } else {
        Body::from(document.body.clone())
    });
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::try_from(&document.etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(DOCUMENT_MAX_AGE),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    response
}

/// 303: the next request is a GET, whatever this one was (RFC 9700 §4.12).
pub fn see_other(location: &str) -> Response {
    let mut response = bare(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    match HeaderValue::try_from(location) {
        Ok(location) => _ = headers.insert(header::LOCATION, location),
        Err(_) => {
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                b"{\"error\":\"server_error\"}".to_vec(),
            );
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

/// An authorization response on its way to the client.
pub fn deliver(ports: &Ports, delivery: &Delivery, trace: &str) -> Response {
    match delivery {
        Delivery::Redirect(location) => see_other(location),
        Delivery::FormPost { action, fields } => {
            let Some(action) = FormAction::parse(action) else {
                return respond::error(ErrorCause::InvalidRedirectUri, trace);
            };
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            respond::html(
                StatusCode::OK,
                &FormPostPage {
                    action,
                    fields: &fields,
                    nonce: nonce(ports),
                },
            )
        }
    }
}

/// A fresh nonce for the scripts of one page.
pub fn nonce(ports: &Ports) -> Nonce {
    let mut bytes = [0_u8; 16];
    ports.rng.fill(&mut bytes);
    Nonce::from_random(bytes)
}
