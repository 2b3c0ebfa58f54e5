//! The protocol endpoints, one file each.

pub mod authorize;
pub mod check_session;
pub mod introspect;
pub mod logout;
pub mod metadata;
pub mod register;
pub mod revoke;
pub mod token;
pub mod userinfo;

use axum::{
    body::Bytes,
    http::{Uri, header, request::Parts},
};

use super::context;
use crate::{
    domain::id::ClientId,
    protocol::{
        client_auth::Credentials,
        error::{ErrorCode, OAuthError},
        params::Params,
    },
};

/// The form of an endpoint that takes nothing else. Its parameters may have faults.
fn form_parameters(parts: &Parts, body: &Bytes) -> Result<Params, OAuthError> {
    if !context::is_form(&parts.headers) {
        return Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "the body must be application/x-www-form-urlencoded",
        ));
    }
    if has_query(&parts.uri) {
        return Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "parameters belong into the body",
        ));
    }
    Ok(Params::parse(body))
}

/// As [`form_parameters`], each without fault.
fn form(parts: &Parts, body: &Bytes) -> Result<Params, OAuthError> {
    let params = form_parameters(parts, body)?;
    params.fault().map_or(Ok(params), |fault| Err(fault.into()))
}

/// Secrets in a URL end up in logs (RFC 6749 §2.3.1), so these endpoints take no query.
fn has_query(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| !query.is_empty())
}

/// The credentials of a form post. Two headers are two ways to authenticate (RFC 6749 §2.3).
fn credentials(parts: &Parts, params: &Params) -> Result<Credentials, OAuthError> {
    let header = context::single(&parts.headers, &header::AUTHORIZATION).map_err(|_| {
        OAuthError::new(
            ErrorCode::InvalidRequest,
            "more than one Authorization header",
        )
    })?;
    let credentials = Credentials::parse(header, params)?;
    Ok(credentials.over(context::certificate(parts)))
}

/// The client that a request says it comes from, for the log.
fn claimed_client(parts: &Parts, body: &Bytes) -> Option<ClientId> {
    let params = form_parameters(parts, body).ok()?;
    match credentials(parts, &params) {
        Ok(credentials) => Some(credentials.client),
        Err(_) => params.get("client_id").map(ClientId::new),
    }
}
