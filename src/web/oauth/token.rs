//! RFC 6749 §3.2 — the token endpoint.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{credentials, form};
use crate::{
    application::{Failure, commands::exchange_token::exchange_token},
    protocol::token::TokenResponse,
    web::{Web, answer, context},
};

/// POST: a grant becomes tokens.
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    match respond(&web, &parts, &body).await {
        Ok(response) => answer::json(StatusCode::OK, &response),
        Err(failure) => answer::failure(&failure),
    }
}

async fn respond(web: &Web, parts: &Parts, body: &Bytes) -> Result<TokenResponse, Failure> {
    let params = form(parts, body)?;
    let credentials = credentials(parts, &params)?;
    exchange_token(&web.ports, &credentials, &params, &context::origin(parts)).await
}
