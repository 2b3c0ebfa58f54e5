//! RFC 7662 §2 — the introspection endpoint.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{confidential_client, form};
use crate::{
    application::{Failure, queries::introspect::introspect},
    protocol::{introspection::Introspection, token},
    web::{Web, answer},
};

/// POST: what a token is good for.
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    match respond(&web, &parts, &body).await {
        Ok(introspection) => answer::json(StatusCode::OK, &introspection),
        Err(failure) => answer::failure(&failure),
    }
}

async fn respond(web: &Web, parts: &Parts, body: &Bytes) -> Result<Introspection, Failure> {
    let params = form(parts, body)?;
    let caller = confidential_client(web, parts, &params).await?;
    introspect(&web.ports, &caller, token::subject_of(&params)?).await
}
