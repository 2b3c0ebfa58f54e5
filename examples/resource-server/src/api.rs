//! The routes, each with what it demands of the token.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::FromRequestParts,
    http::{HeaderMap, Method, header, request::Parts},
    routing::get,
};
use serde_json::{Value, json};
use tower_http::cors::{Any, CorsLayer};

use crate::{
    refusal::Refusal,
    token::{AccessToken, Verifier},
};

/// Every route. Browsers may call from any origin: a bearer token is no ambient credential.
pub(crate) fn router(verifier: Arc<Verifier>) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET])
        .allow_headers([header::AUTHORIZATION])
        .expose_headers([header::WWW_AUTHENTICATE]);
    Router::new()
        .route("/whoami", get(whoami))
        .route("/contact", get(contact))
        .route("/reports", get(reports))
        .layer(cors)
        .with_state(verifier)
}

/// Any valid token for this API.
async fn whoami(token: AccessToken) -> Json<Value> {
    Json(json!({ "sub": token.sub, "client_id": token.client_id, "scope": token.scope }))
}

/// A scope says what the user let the *client* do.
async fn contact(token: AccessToken) -> Result<Json<Value>, Refusal> {
    token.require_scope("email")?;
    Ok(Json(
        json!({ "contact": format!("the person known as {}", token.sub) }),
    ))
}

/// Scope and permission: what the client was let do, and what the *user* may do.
async fn reports(token: AccessToken) -> Result<Json<Value>, Refusal> {
    token.require_scope("reports:read")?;
    token.require_permission("reports:read")?;
    Ok(Json(json!({ "reports": ["Revenue", "Churn"] })))
}

impl FromRequestParts<Arc<Verifier>> for AccessToken {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        verifier: &Arc<Verifier>,
    ) -> Result<Self, Refusal> {
        verifier.verify(bearer(&parts.headers)?).await
    }
}

/// The token of the `Authorization` header (RFC 6750 §2.1), which must be there once.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Refusal::NoToken),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(Refusal::Malformed("one Authorization header, please")),
    };
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or(Refusal::Malformed("the Authorization header has no token"))?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(Refusal::NoToken)
    }
}
