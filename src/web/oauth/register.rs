//! RFC 7591 §3, RFC 7592 §2 — the client registration endpoint, and the one of each client.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value, json};

use crate::{
    application::{
        commands::register_dynamically::{self, RegistrationError},
        limits::Endpoint,
    },
    domain::id::ClientId,
    protocol::{
        bearer,
        error::{ErrorCode, OAuthError},
        registration::{ClientMetadata, MetadataError},
    },
    web::{Web, answer, context, limits},
};

/// POST: a new client.
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let standing = match limits::enter(&web, &parts, Endpoint::Registration).await {
        Ok(standing) => standing,
        Err(limited) => return limits::refuse(limited),
    };
    let origin = context::origin(&parts);
    let registered = async {
        let metadata = metadata(&parts, &body)?;
        register_dynamically::register(&web.ports, metadata, &origin).await
    };
    let mut response = answered(registered.await, StatusCode::CREATED);
    limits::tell(&mut response, standing);
    response
}

/// GET: what the client is registered as.
pub async fn get(State(web): State<Arc<Web>>, Path(id): Path<String>, parts: Parts) -> Response {
    let read = async {
        let token = token(&parts)?;
        register_dynamically::read(&web.ports, &ClientId::new(id), token).await
    };
    answered(read.await.map_err(RegistrationError::from), StatusCode::OK)
}

/// PUT: what the client shall be instead.
pub async fn put(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let origin = context::origin(&parts);
    let changed = async {
        let token = token(&parts).map_err(crate::application::Failure::from)?;
        let metadata = metadata(&parts, &body)?;
        let who = (&ClientId::new(id), token);
        register_dynamically::change(&web.ports, who, metadata, &origin).await
    };
    answered(changed.await, StatusCode::OK)
}

/// DELETE: the end of the client.
pub async fn delete(State(web): State<Arc<Web>>, Path(id): Path<String>, parts: Parts) -> Response {
    let origin = context::origin(&parts);
    let removed = async {
        let who = (&ClientId::new(id), token(&parts)?);
        register_dynamically::remove(&web.ports, who, &origin).await
    };
    match removed.await {
        Ok(()) => (
            StatusCode::NO_CONTENT,
            [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        )
            .into_response(),
        Err(failure) => answer::bearer_failure(&failure),
    }
}

fn metadata(parts: &Parts, body: &Bytes) -> Result<ClientMetadata, MetadataError> {
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let essence = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .map(str::trim);
    if !essence.is_some_and(|it| it.eq_ignore_ascii_case("application/json")) {
        return Err(MetadataError::new("metadata", "must be application/json"));
    }
    ClientMetadata::parse(body)
}

/// The registration access token, which comes in the header only.
fn token(parts: &Parts) -> Result<&str, OAuthError> {
    let header = context::single(&parts.headers, &header::AUTHORIZATION).ok();
    let header = header.flatten().ok_or_else(|| {
        OAuthError::new(
            ErrorCode::InvalidToken,
            "the registration access token is missing",
        )
    })?;
    bearer::from_header(header).map_err(|_| {
        OAuthError::new(
            ErrorCode::InvalidToken,
            "the registration access token is malformed",
        )
    })
}

fn answered(result: Result<Map<String, Value>, RegistrationError>, status: StatusCode) -> Response {
    match result {
        Ok(told) => answer::json(status, &told),
        Err(RegistrationError::Metadata(error)) => {
            tracing::info!(member = error.member, "a registration was refused");
            let body = json!({
                "error": error.code().as_str(),
                "error_description": error.description(),
            });
            answer::json(StatusCode::BAD_REQUEST, &body)
        }
        Err(error @ RegistrationError::Closed) => {
            let code = ErrorCode::AccessDenied.as_str();
            let body = json!({ "error": code, "error_description": error.to_string() });
            answer::json(StatusCode::FORBIDDEN, &body)
        }
        Err(RegistrationError::Failed(failure)) => answer::bearer_failure(&failure),
    }
}
