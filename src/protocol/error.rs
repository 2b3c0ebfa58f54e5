//! RFC 6749 §4.1.2.1, §5.2 and its registry — error codes, in one table.
//!
//! Descriptions are our own fixed texts: plain ASCII without quotes and backslashes, never a part of
//! the request. What was received and what was expected goes to the log, under the trace id.

use std::fmt;

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
    /// OpenID Connect Core Error Code `unmet_authentication_requirements` §2
    UnmetAuthenticationRequirements = "unmet_authentication_requirements", 400;
    /// OIDC Core §3.1.2.6
    RequestNotSupported = "request_not_supported", 400;
    /// OIDC Core §3.1.2.6
    RequestUriNotSupported = "request_uri_not_supported", 400;
    /// OIDC Core §3.1.2.6
    RegistrationNotSupported = "registration_not_supported", 400;
    /// RFC 7591 §3.2.2
    InvalidRedirectUri = "invalid_redirect_uri", 400;
    /// RFC 7591 §3.2.2
    InvalidClientMetadata = "invalid_client_metadata", 400;
    /// OIDC Core §3.1.2.6
    InvalidRequestObject = "invalid_request_object", 400;
    /// OIDC Core §3.1.2.6
    InvalidRequestUri = "invalid_request_uri", 400;
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
    pub cause: Option<Box<Cause>>,
}

/// What exactly happened: which check failed, what it was given and what it expected. Only the log
/// says so, and never with a secret, a code, a token or an assertion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The check, where the description does not name it.
    pub check: Option<&'static str>,
    /// The value that the request had, shortened.
    pub received: Option<String>,
    /// The values that are registered, shortened.
    pub registered: Option<String>,
}

impl Cause {
    /// A value against those that are registered.
    pub fn mismatch<T: fmt::Display>(
        received: impl fmt::Display,
        registered: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            check: None,
            received: Some(shortened(received)),
            registered: Some(joined(registered)),
        }
    }

    /// A value that nothing is registered for.
    pub fn unexpected(received: impl fmt::Display) -> Self {
        Self {
            received: Some(shortened(received)),
            ..Self::default()
        }
    }
}

/// Characters of a value in the log at most.
const MAX_LOGGED: usize = 256;

fn shortened(value: impl fmt::Display) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_LOGGED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn joined<T: fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    shortened(values.join(" "))
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

    /// Adds which check failed; only the operator may read it.
    #[must_use]
    pub fn because(mut self, check: &'static str) -> Self {
        self.cause.get_or_insert_default().check = Some(check);
        self
    }

    /// Adds the value that was received and those that are registered; only the operator may read
    /// them.
    #[must_use]
    pub fn given<T: fmt::Display>(
        mut self,
        received: impl fmt::Display,
        registered: impl IntoIterator<Item = T>,
    ) -> Self {
        let cause = self.cause.get_or_insert_default();
        cause.received = Some(shortened(received));
        cause.registered = Some(joined(registered));
        self
    }

    /// Adds the value that was received, where nothing is registered for it.
    #[must_use]
    pub fn given_only(mut self, received: impl fmt::Display) -> Self {
        self.cause.get_or_insert_default().received = Some(shortened(received));
        self
    }

    /// Which check failed.
    pub fn check(&self) -> &'static str {
        let cause = self.cause.as_ref().and_then(|cause| cause.check);
        cause.unwrap_or(self.description)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_value_is_cut_at_a_character() {
        let error = OAuthError::new(ErrorCode::InvalidScope, "no");
        let cause = error.given("ä".repeat(10_000), ["x", "y"]).cause;
        let cause = cause.unwrap_or_default();
        let received = cause.received.unwrap_or_default();
        assert_eq!(received.chars().count(), MAX_LOGGED + 1);
        assert_eq!(cause.registered.as_deref(), Some("x y"));
    }
}
