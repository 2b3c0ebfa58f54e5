//! RFC 6750 §3 — how a resource server refuses a bearer token.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Why a request is refused. Texts are static: nothing of the request comes back in them.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No credentials at all: the challenge carries no error code (§3.1).
    #[error("an access token is needed")]
    NoToken,
    /// The request is not well formed.
    #[error("{0}")]
    Malformed(&'static str),
    /// The token is expired, forged, or meant for somebody else.
    #[error("{0}")]
    InvalidToken(&'static str),
    /// The user did not grant this scope to the client.
    #[error("the token lacks a scope")]
    MissingScope(&'static str),
    /// The user does not hold this permission; asking for more scope will not help.
    #[error("the user lacks a permission")]
    MissingPermission(&'static str),
    /// The provider's keys cannot be had, so nothing can be said about the token.
    #[error("the provider's keys are not available")]
    NoKeys,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::MissingScope(_) | Self::MissingPermission(_) => StatusCode::FORBIDDEN,
            Self::NoKeys => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoToken => "unauthorized",
            Self::Malformed(_) => "invalid_request",
            Self::InvalidToken(_) => "invalid_token",
            Self::MissingScope(_) | Self::MissingPermission(_) => "insufficient_scope",
            Self::NoKeys => "temporarily_unavailable",
        }
    }

    fn challenge(&self) -> String {
        let code = self.code();
        match self {
            Self::NoToken | Self::NoKeys => "Bearer".to_owned(),
            Self::MissingScope(scope) => {
                format!(r#"Bearer error="{code}", error_description="{self}", scope="{scope}""#)
            }
            Self::Malformed(_) | Self::InvalidToken(_) | Self::MissingPermission(_) => {
                format!(r#"Bearer error="{code}", error_description="{self}""#)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code(), "error_description": self.to_string() });
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        if self == Self::NoKeys {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        } else if let Ok(challenge) = HeaderValue::from_str(&self.challenge()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
