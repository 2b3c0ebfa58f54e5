//! OIDC Discovery §4, RFC 8414 §3, RFC 7517 §5 — documents that are served as they are.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};

use crate::web::{Web, answer};

/// GET: provider metadata, the same for both well-known addresses.
pub async fn discovery(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    answer::document(&web.metadata, headers.get(header::IF_NONE_MATCH))
}

/// GET: the public keys.
pub async fn jwks(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    answer::document(&web.ports.signer.jwks(), headers.get(header::IF_NONE_MATCH))
}
