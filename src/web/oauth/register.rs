//! RFC 7591 §3, RFC 7592 §2 — the client registration endpoint, and the one of each client.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use crate::{
    application::{
        Failure,
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
    let registered = async {
        let metadata = metadata(&parts, &body)?;
        let origin = context::origin(&parts);
        let told = register_dynamically::register(&web.ports, metadata, &origin).await?;
        Ok(answer::json(StatusCode::CREATED, &told))
    };
    counted(&web, &parts, registered).await
}

/// GET: what the client is registered as.
pub async fn get(State(web): State<Arc<Web>>, Path(id): Path<String>, parts: Parts) -> Response {
    let read = async {
        let (id, token) = (ClientId::new(id), token(&parts)?);
        let told = register_dynamically::read(&web.ports, &id, token).await?;
        Ok(answer::json(StatusCode::OK, &told))
    };
    counted(&web, &parts, read).await
}

/// PUT: what the client shall be instead.
pub async fn put(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let changed = async {
        let (id, token) = (ClientId::new(id), token(&parts)?);
        let metadata = metadata(&parts, &body)?;
        let origin = context::origin(&parts);
        let who = (&id, token);
        let told = register_dynamically::change(&web.ports, who, metadata, &origin).await?;
        Ok(answer::json(StatusCode::OK, &told))
    };
    counted(&web, &parts, changed).await
}

/// DELETE: the end of the client.
pub async fn delete(State(web): State<Arc<Web>>, Path(id): Path<String>, parts: Parts) -> Response {
    let removed = async {
        let (id, token) = (ClientId::new(id), token(&parts)?);
        let origin = context::origin(&parts);
        register_dynamically::remove(&web.ports, (&id, token), &origin).await?;
        let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        Ok((StatusCode::NO_CONTENT, no_store).into_response())
    };
    counted(&web, &parts, removed).await
}

/// Whatever comes here counts as a registration does: each looks into the database.
async fn counted(
    web: &Web,
    parts: &Parts,
    work: impl Future<Output = Result<Response, RegistrationError>>,
) -> Response {
    match limits::enter(web, parts, Endpoint::Registration).await {
        Ok(standing) => {
            let mut response = work.await.unwrap_or_else(|error| refused(&error));
            limits::tell(&mut response, standing);
            response
        }
        Err(limited) => limits::refuse(limited),
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
fn token(parts: &Parts) -> Result<&str, Failure> {
    let invalid = |description| OAuthError::new(ErrorCode::InvalidToken, description);
    let header = context::single(&parts.headers, &header::AUTHORIZATION).ok();
    let header = header
        .flatten()
        .ok_or_else(|| invalid("the registration access token is missing"))?;
    let token = bearer::from_header(header);
    Ok(token.map_err(|_| invalid("the registration access token is malformed"))?)
}

/// The error in the form of RFC 7591 §3.2.2, or of RFC 6750 §3 where the token is at fault.
fn refused(error: &RegistrationError) -> Response {
    let told = |status, code: ErrorCode, description: String| {
        let body = json!({ "error": code.as_str(), "error_description": description });
        answer::json(status, &body)
    };
    match error {
        RegistrationError::Metadata(error) => {
            tracing::info!(member = error.member, "a registration was refused");
            told(StatusCode::BAD_REQUEST, error.code(), error.description())
        }
        RegistrationError::Closed => told(
            StatusCode::FORBIDDEN,
            ErrorCode::AccessDenied,
            error.to_string(),
        ),
        RegistrationError::Failed(failure @ Failure::Refused(_)) => answer::bearer_failure(failure),
        RegistrationError::Failed(failure) => answer::failure(failure, None),
    }
}
