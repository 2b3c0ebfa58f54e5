//! OIDC Core §5.3 — the userinfo endpoint. The access token comes as RFC 6750 §2.1 or §2.2 says.

use std::sync::Arc;

use crate::{
    application::{
        Failure,
        queries::userinfo::{Userinfo, userinfo},
    },
    protocol::{
        bearer,
        error::{ErrorCode, OAuthError},
        params::Params,
    },
    web::{Web, answer, context},
};
use axum::{
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, header, request::Parts},
    response::Response,
};

/// GET and POST: the claims that the token may read.
pub async fn handle(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    match respond(&web, &parts, &body).await {
        Ok(Some(Userinfo::Plain(claims))) => answer::json(StatusCode::OK, &claims),
        Ok(Some(Userinfo::Jwt(token))) => answer::jwt(token),
        Ok(None) => answer::bearer_required(),
        Err(failure) => answer::bearer_failure(&failure),
    }
}

async fn respond(web: &Web, parts: &Parts, body: &Bytes) -> Result<Option<Userinfo>, Failure> {
    // A POST may leave the body out when the header has the token (OIDC Core §5.3.1).
    let form = if parts.method != Method::POST || body.is_empty() {
        Params::default()
    } else if context::is_form(&parts.headers) {
        Params::parse(body)
    } else {
        return Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "the body must be application/x-www-form-urlencoded",
        )
        .into());
    };
    let header = context::single(&parts.headers, &header::AUTHORIZATION).map_err(|_| {
        OAuthError::new(
            ErrorCode::InvalidRequest,
            "more than one Authorization header",
        )
    })?;
    match bearer::token(header, &form, &context::query(&parts.uri))? {
        Some(token) => {
            let certificate = context::certificate(parts);
            let told = userinfo(&web.ports, token, certificate.as_ref()).await?;
            Ok(Some(told))
        }
        None => Ok(None),
    }
}
