//! RFC 6749 §4.1.2.1, §5.2 and its registry — error codes, in one table.
//!
//! Descriptions are our own fixed texts: plain ASCII without quotes and backslashes, never a part of
//! the request. What was received and what was expected goes to the log, under the trace id.

use std::{borrow::Cow, fmt};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal);+ $(;)?) => {
        /// An `error` value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant),+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The registered name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The HTTP status when it is answered directly.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }
        }
    };
}

error_codes! {
    /// RFC 6749 §5.2
    InvalidRequest = "invalid_request", 400;
    /// RFC 6749 §5.2
    InvalidClient = "invalid_client", 401;
    /// RFC 6749 §5.2
    InvalidGrant = "invalid_grant", 400;
    /// RFC 6749 §5.2
    UnauthorizedClient = "unauthorized_client", 400;
    /// RFC 6749 §5.2
    UnsupportedGrantType = "unsupported_grant_type", 400;
    /// RFC 6749 §5.2
    InvalidScope = "invalid_scope", 400;
    /// RFC 6749 §4.1.2.1
    UnsupportedResponseType = "unsupported_response_type", 400;
    /// RFC 6749 §4.1.2.1
    AccessDenied = "access_denied", 400;
    /// RFC 6749 §4.1.2.1
    ServerError = "server_error", 500;
    /// RFC 6749 §4.1.2.1
    TemporarilyUnavailable = "temporarily_unavailable", 503;
    /// RFC 8707 §2
    InvalidTarget = "invalid_target", 400;
    /// RFC 7009 §2.2.1
    UnsupportedTokenType = "unsupported_token_type", 400;
    /// OIDC Core §3.1.2.6
    LoginRequired = "login_required", 400;
    /// OIDC Core §3.1.2.6
    ConsentRequired = "consent_required", 400;
    /// OIDC Core §3.1.2.6
    RequestNotSupported = "request_not_supported", 400;
    /// OIDC Core §3.1.2.6
    RequestUriNotSupported = "request_uri_not_supported", 400;
    /// OIDC Core §3.1.2.6
    RegistrationNotSupported = "registration_not_supported", 400;
    /// RFC 6750 §3.1
    InvalidToken = "invalid_token", 401;
    /// RFC 6750 §3.1
    InsufficientScope = "insufficient_scope", 403;
}

/// An error as a specification names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// `error`
    pub code: ErrorCode,
    /// `error_description`
    pub description: &'static str,
    /// What exactly happened, for the log only.
    pub cause: Option<Cow<'static, str>>,
}

impl OAuthError {
    /// An error that its description explains.
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self {
            code,
            description,
            cause: None,
        }
    }

    /// Adds what only the operator may read.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cow<'static, str>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.description)
    }
}

impl std::error::Error for OAuthError {}

impl From<super::params::Fault> for OAuthError {
    fn from(fault: super::params::Fault) -> Self {
        use super::params::Fault;
        Self::new(
            ErrorCode::InvalidRequest,
            match fault {
                Fault::Repeated => "a parameter is included more than once",
                Fault::Encoding => "a parameter is not valid text",
                Fault::TooLong => "a parameter is too long",
                Fault::TooMany => "there are too many parameters",
            },
        )
    }
}
