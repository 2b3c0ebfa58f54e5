//! RFC 7662 §2 — the introspection endpoint.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{claimed_client, credentials, form};
use crate::{
    application::{Failure, limits::Endpoint, queries::introspect::introspect},
    protocol::introspection::Introspection,
    web::{Web, answer, context, limits},
};

/// POST: what a token is good for.
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let standing = match limits::enter(&web, &parts, Endpoint::Introspection).await {
        Ok(standing) => standing,
        Err(limited) => return limits::refuse(limited),
    };
    let mut response = match respond(&web, &parts, &body).await {
        Ok(introspection) => answer::json(StatusCode::OK, &introspection),
        Err(failure) => answer::failure(&failure, claimed_client(&parts, &body).as_ref()),
    };
    limits::tell(&mut response, standing);
    response
}

async fn respond(web: &Web, parts: &Parts, body: &Bytes) -> Result<Introspection, Failure> {
    let params = form(parts, body)?;
    let credentials = credentials(parts, &params)?;
    introspect(&web.ports, &credentials, &params, &context::origin(parts)).await
}
