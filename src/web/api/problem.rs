//! RFC 9457 — Problem Details for HTTP APIs: the one form of every error of the JSON interfaces.
//!
//! `type` is a URN that names the kind for programs, `title` says it to people and never changes,
//! `detail` is about this request. `trace_id` is what the log and the audit trail know the request by.
//! Nothing of what was sent is repeated, except names of members.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

use crate::{
    application::{
        Failure, commands::rotate_keys::RotateError, explanation, limits::Limited,
        registrar::RegistrarError,
    },
    domain::{administration::Right, profile::ProfileField},
    protocol::{
        bearer,
        error::{ErrorCode, OAuthError},
    },
    web::answer,
};

/// When to try again where nobody knows better, seconds.
const RETRY_AFTER: u64 = 2;

/// Every 401 says how to prove who calls (RFC 9110 §15.5.2). Not Basic, for which browsers open a window.
const DEFAULT_CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"countersign\"");

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal, $status:literal, $title:literal);+ $(;)?) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $variant),+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The `type` (§3.1.1): a name, not an address.
            pub fn uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("urn:countersign:problem:", $slug)),+ }
            }

            /// The `status` (§3.1.2).
            pub fn status(self) -> StatusCode {
                let status: u16 = match self { $(Self::$variant => $status),+ };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            /// The `title` (§3.1.3).
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

kinds! {
    /// The body is not JSON.
    MalformedJson = "malformed-json", 400, "The body is not JSON";
    /// A member is unknown, missing, repeated, or of the wrong type.
    InvalidMember = "invalid-member", 400, "A member of the body cannot be accepted";
    /// Something else about the request.
    InvalidRequest = "invalid-request", 400, "The request cannot be accepted";
    /// Wrong name or password, or an account that may not log in.
    WrongCredentials = "wrong-credentials", 401, "The name or the password is wrong";
    /// No proof of who calls.
    Unauthenticated = "unauthenticated", 401, "The request does not say who calls";
    /// A client that could not prove who it is.
    InvalidClient = "invalid-client", 401, "The client could not prove who it is";
    /// A token that is unknown, expired or revoked.
    InvalidToken = "invalid-token", 401, "The token is unknown, expired or revoked";
    /// Known, but not allowed.
    Forbidden = "forbidden", 403, "The caller may not do this";
    /// Nothing is there, or nothing that the caller may know of.
    NotFound = "not-found", 404, "There is nothing here";
    /// The address takes other methods.
    MethodNotAllowed = "method-not-allowed", 405, "The address does not take this method";
    /// The body did not arrive in time.
    TooSlow = "too-slow", 408, "The request took too long to arrive";
    /// Something with that unique property exists.
    Conflict = "conflict", 409, "It exists already";
    /// Somebody else changed it.
    PreconditionFailed = "precondition-failed", 412, "It has changed meanwhile";
    /// More than is read.
    TooLarge = "too-large", 413, "The request is too large";
    /// The address is too long.
    UriTooLong = "uri-too-long", 414, "The address is too long";
    /// Not JSON by its own account.
    UnsupportedMediaType = "unsupported-media-type", 415, "The body must be application/json";
    /// The key of an earlier request with another content.
    KeyReused = "idempotency-key-reused", 422, "The Idempotency-Key belongs to another request";
    /// A change must name the version that it changes.
    PreconditionRequired = "precondition-required", 428, "The change must say which version it changes";
    /// Too many attempts.
    TooManyRequests = "too-many-requests", 429, "There were too many attempts";
    /// More headers than are read.
    HeadersTooLarge = "headers-too-large", 431, "The headers are too large";
    /// A fault of ours.
    ServerError = "server-error", 500, "Something went wrong on the server";
    /// Busy, or something that we depend on is away.
    Unavailable = "unavailable", 503, "The server is busy, please try again";
}

/// An error on its way to a program.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong.
    pub kind: Kind,
    detail: Option<Cow<'static, str>>,
    pointer: Option<String>,
    retry_after: Option<u64>,
    challenge: Option<HeaderValue>,
}

/// The members of the body (§3).
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// Extension (§3.2): a JSON Pointer (RFC 6901) to the member that is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    /// Extension (§3.2).
    trace_id: &'a str,
}

impl Problem {
    /// A problem that its title explains.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            detail: None,
            pointer: None,
            retry_after: (kind == Kind::Unavailable).then_some(RETRY_AFTER),
            challenge: None,
        }
    }

    /// Says what exactly is wrong with this request.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says which member is to blame, by a JSON Pointer.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Says after how many seconds it may be tried again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Says how to prove who calls (RFC 9110 §11.6.1).
    #[must_use]
    pub fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// An error of the protocol in this form, with the challenge that its code asks for.
    pub fn of(error: &OAuthError) -> Self {
        let problem = Self::new(kind_of(error.code)).detail(error.description);
        let challenge = if error.code == ErrorCode::InvalidClient {
            Some(HeaderValue::from_static("Basic realm=\"countersign\""))
        } else if [ErrorCode::InvalidToken, ErrorCode::InsufficientScope].contains(&error.code) {
            HeaderValue::try_from(bearer::challenge(Some(error))).ok()
        } else {
            None
        };
        Self {
            challenge,
            ..problem
        }
    }

    /// The answer. `trace` is the identifier of the request.
    pub fn respond(&self, trace: &str) -> Response {
        let body = Body {
            r#type: self.kind.uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: self.detail.as_deref(),
            pointer: self.pointer.as_deref(),
            trace_id: trace,
        };
        let mut response = answer::json(self.kind.status(), &body);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, DEFAULT_CHALLENGE);
        }
        if let Some(challenge) = &self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge.clone());
        }
        response
    }
}

fn kind_of(code: ErrorCode) -> Kind {
    match code {
        ErrorCode::InvalidClient => Kind::InvalidClient,
        ErrorCode::InvalidGrant | ErrorCode::InvalidToken | ErrorCode::LoginRequired => {
            Kind::InvalidToken
        }
        ErrorCode::UnauthorizedClient
        | ErrorCode::AccessDenied
        | ErrorCode::InsufficientScope
        | ErrorCode::ConsentRequired => Kind::Forbidden,
        ErrorCode::ServerError => Kind::ServerError,
        ErrorCode::TemporarilyUnavailable => Kind::Unavailable,
        ErrorCode::InvalidRequest
        | ErrorCode::UnsupportedGrantType
        | ErrorCode::InvalidScope
        | ErrorCode::UnsupportedResponseType
        | ErrorCode::UnmetAuthenticationRequirements
        | ErrorCode::InvalidRequestObject
        | ErrorCode::InvalidRequestUri
        | ErrorCode::InvalidRedirectUri
        | ErrorCode::InvalidClientMetadata
        | ErrorCode::InvalidTarget
        | ErrorCode::UnsupportedTokenType
        | ErrorCode::RequestNotSupported
        | ErrorCode::RequestUriNotSupported
        | ErrorCode::RegistrationNotSupported => Kind::InvalidRequest,
    }
}

impl From<OAuthError> for Problem {
    fn from(error: OAuthError) -> Self {
        Self::from(Failure::from(error))
    }
}

/// A failed use case; the log has the cause.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let oauth = failure.as_oauth();
        explanation::of(None, &failure);
        match failure {
            Failure::Limited(Limited(standing)) => {
                Self::new(Kind::TooManyRequests).retry_after(standing.resets_in.as_secs())
            }
            Failure::Refused(_) | Failure::Unavailable(..) | Failure::Broken(..) => {
                Self::of(&oauth)
            }
        }
    }
}

/// The member that a value of a command comes from.
fn pointer(field: &str) -> String {
    let member = match field {
        "role" | "group" => "name",
        "permission" => "permissions",
        "redirect_uri" => "redirect_uris",
        "post_logout_redirect_uri" => "post_logout_redirect_uris",
        "resource" => "resources",
        "origin" => "allowed_origins",
        "response_mode" => "response_modes",
        "response_type" => "response_types",
        "auth_method" => "token_endpoint_auth_method",
        claim if ProfileField::of_claim(claim).is_some() => {
            return format!("/profile/{claim}");
        }
        same => same,
    };
    format!("/{member}")
}

/// A command of an administrator that changed nothing. No value is repeated.
impl From<RegistrarError> for Problem {
    fn from(error: RegistrarError) -> Self {
        match error {
            RegistrarError::Invalid { field, problem } => Self::new(Kind::InvalidMember)
                .detail(problem)
                .at(pointer(field)),
            RegistrarError::NotFound(what, _) => {
                Self::new(Kind::NotFound).detail(format!("there is no such {what}"))
            }
            RegistrarError::Exists(what) => {
                Self::new(Kind::Conflict).detail(format!("this {what} exists already"))
            }
            RegistrarError::Lacks(right) => insufficient(Some(right))
                .detail(format!("it needs the permission {}", right.as_str())),
            RegistrarError::Beyond(what) => insufficient(None).detail(what),
            RegistrarError::Stale => Self::new(Kind::PreconditionFailed),
            RegistrarError::LastOwner => Self::new(Kind::Conflict).detail(error.to_string()),
            RegistrarError::Store(error) => Failure::from(error).into(),
            RegistrarError::Hash(error) => Failure::from(error).into(),
        }
    }
}

/// A token that does not let its caller do this (RFC 6750 §3.1), with the scope value that would where there
/// is one.
fn insufficient(right: Option<Right>) -> Problem {
    let challenge = bearer::insufficient_scope(right.map(Right::as_str));
    let problem = Problem::new(Kind::Forbidden);
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => problem.challenge(challenge),
        Err(_) => problem,
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Registrar(error) => error.into(),
            RotateError::Failure(failure) => failure.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_problem_has_the_members_of_rfc_9457_and_the_trace_id() {
        let problem = Problem::new(Kind::TooManyRequests)
            .detail("wait")
            .retry_after(7);
        let (parts, body) = problem.respond("abc").into_parts();
        assert_eq!(parts.status, 429);
        assert_eq!(
            parts.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(parts.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(parts.headers[header::RETRY_AFTER], "7");
        let body: serde_json::Value =
            serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:countersign:problem:too-many-requests",
                "title": "There were too many attempts",
                "status": 429,
                "detail": "wait",
                "trace_id": "abc",
            })
        );
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_status_of_errors() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let status = kind.status();
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{kind:?}"
            );
        }
    }
}
