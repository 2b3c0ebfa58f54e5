//! RFC 6749 §3.2 — the token endpoint.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{claimed_client, credentials, form_parameters};
use crate::{
    application::{Failure, commands::exchange_token::exchange_token, limits::Endpoint},
    protocol::{error::OAuthError, token::TokenResponse},
    web::{Web, answer, context, limits},
};

/// POST: a grant becomes tokens.
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let standing = match limits::enter(&web, &parts, Endpoint::Token).await {
        Ok(standing) => standing,
        Err(limited) => return limits::refuse(limited),
    };
    let mut response = match respond(&web, &parts, &body).await {
        Ok(response) => answer::json(StatusCode::OK, &response),
        Err(failure) => answer::failure(&failure, claimed_client(&parts, &body).as_ref()),
    };
    limits::tell(&mut response, standing);
    response
}

async fn respond(web: &Web, parts: &Parts, body: &Bytes) -> Result<TokenResponse, Failure> {
    // A spent code revokes its grant even where another parameter has a fault, so the use case looks
    // at faults.
    let params = form_parameters(parts, body)?;
    let credentials = match (credentials(parts, &params), params.fault()) {
        (Err(_), Some(fault)) => return Err(OAuthError::from(fault).into()),
        (credentials, _) => credentials?,
    };
    exchange_token(&web.ports, &credentials, &params, &context::origin(parts)).await
}
