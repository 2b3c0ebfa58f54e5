//! RFC 7009 §2 — the revocation endpoint.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header, request::Parts},
    response::Response,
};

use super::{claimed_client, credentials, form};
use crate::{
    application::{Failure, commands::revoke_token::revoke_token, limits::Endpoint},
    web::{Web, answer, context, limits},
};

/// POST: a token dies. 200 with an empty body (§2.2).
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let standing = match limits::enter(&web, &parts, Endpoint::Revocation).await {
        Ok(standing) => standing,
        Err(limited) => return limits::refuse(limited),
    };
    let mut response = match respond(&web, &parts, &body).await {
        Ok(()) => {
            let mut response = Response::new(Body::empty());
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(failure) => answer::failure(&failure, claimed_client(&parts, &body).as_ref()),
    };
    limits::tell(&mut response, standing);
    response
}

async fn respond(web: &Web, parts: &Parts, body: &Bytes) -> Result<(), Failure> {
    let params = form(parts, body)?;
    let credentials = credentials(parts, &params)?;
    revoke_token(&web.ports, &credentials, &params, &context::origin(parts)).await
}
