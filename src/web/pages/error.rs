//! The error page: one fixed text per cause, a trace id, and nothing that the request said.

use askama::Template;
use http::StatusCode;

use super::{Page, way::Application};
use crate::web::csp::PagePolicy;

/// Why a request ends on a page instead of at the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCause {
    /// The redirect URI is missing, malformed or not registered (RFC 6749 section 3.1.2.4).
    InvalidRedirectUri,
    /// No such client, or a disabled one.
    UnknownClient,
    /// A parameter that the answer's destination depends on is missing.
    MissingParameter,
    /// The request cannot be read: duplicated parameters, invalid UTF-8, too long.
    MalformedRequest,
    /// The request object or its reference is invalid (RFC 9101, RFC 9126).
    InvalidRequestObject,
    /// The pushed request is unknown, used or too old (RFC 9126 section 4).
    ExpiredRequestUri,
    /// The response type or mode cannot be answered at the application.
    UnsupportedResponse,
    /// The interaction took too long or is already finished.
    ExpiredInteraction,
    /// The interaction began in another browser.
    ForeignInteraction,
    /// The browser did not send back the cookie that the sign-in was given.
    NoCookies,
    /// A form was posted from another site, or without its token.
    CrossSitePost,
    /// The post-logout redirect URI is not registered (OIDC RP-Initiated Logout section 3).
    InvalidLogoutRedirect,
    /// The logout request's ID token hint does not verify.
    InvalidLogoutHint,
    /// The visitor may not see this.
    Forbidden,
    /// There is no such page.
    NotFound,
    /// The page exists, but not for this method.
    MethodNotAllowed,
    /// Too many requests from this place.
    TooManyRequests,
    /// The server, or something it depends on, is overloaded.
    ServerBusy,
    /// A defect on our side.
    ServerError,
}

impl ErrorCause {
    /// The status that the page is sent with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::CrossSitePost | Self::ForeignInteraction | Self::NoCookies | Self::Forbidden => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::ServerBusy => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InvalidRedirectUri
            | Self::UnknownClient
            | Self::MissingParameter
            | Self::MalformedRequest
            | Self::InvalidRequestObject
            | Self::ExpiredRequestUri
            | Self::UnsupportedResponse
            | Self::ExpiredInteraction
            | Self::InvalidLogoutRedirect
            | Self::InvalidLogoutHint => StatusCode::BAD_REQUEST,
        }
    }

    /// A stable name for automation.
    pub fn slug(self) -> &'static str {
        self.texts().0
    }

    fn title(self) -> &'static str {
        self.texts().1
    }

    fn text(self) -> &'static str {
        self.texts().2
    }

    /// Whether the same request may succeed later.
    fn may_pass(self) -> bool {
        matches!(
            self,
            Self::TooManyRequests | Self::ServerBusy | Self::ServerError
        )
    }

    /// What the reader can do about it.
    fn advice(self) -> &'static str {
        match self {
            Self::ExpiredInteraction
            | Self::ForeignInteraction
            | Self::CrossSitePost
            | Self::ExpiredRequestUri => "Go back to the application and start again from there.",
            Self::NoCookies => {
                "Allow cookies for this site in your browser, then start again from the application."
            }
            Self::TooManyRequests | Self::ServerBusy => "Wait a moment, then try again.",
            Self::NotFound | Self::MethodNotAllowed => {
                "Check the address, or go back to where you came from."
            }
            Self::Forbidden => {
                "If you think that you should have access, ask the operator of this server."
            }
            Self::ServerError => {
                "Try again later. If it keeps happening, tell the operator of this server, with the trace ID below."
            }
            Self::InvalidRedirectUri
            | Self::UnknownClient
            | Self::MissingParameter
            | Self::MalformedRequest
            | Self::InvalidRequestObject
            | Self::UnsupportedResponse
            | Self::InvalidLogoutRedirect
            | Self::InvalidLogoutHint => {
                "There is nothing you did wrong. Tell the people who run the application, with the trace ID below."
            }
        }
    }

    /// Slug, title and text of every cause, side by side. Automated tests match these texts: they are stable.
    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::InvalidRedirectUri => (
                "invalid_redirect_uri",
                "Invalid redirect URI",
                "The application asked to be answered at an address that is not registered for it. To protect you, nothing was sent there.",
            ),
            Self::UnknownClient => (
                "unknown_client",
                "Unknown application",
                "The application that sent you here is not registered on this server.",
            ),
            Self::MissingParameter => (
                "missing_parameter",
                "Incomplete request",
                "The application left out a part of its request that is required.",
            ),
            Self::MalformedRequest => (
                "malformed_request",
                "Malformed request",
                "The application sent a request that cannot be read.",
            ),
            Self::InvalidRequestObject => (
                "invalid_request_object",
                "Invalid request object",
                "The application sent a signed request that does not pass verification.",
            ),
            Self::ExpiredRequestUri => (
                "expired_request_uri",
                "This request is no longer valid",
                "The request that the application prepared has been used already or has expired.",
            ),
            Self::UnsupportedResponse => (
                "unsupported_response",
                "Unsupported response",
                "The application asked for a kind of answer that it may not receive.",
            ),
            Self::ExpiredInteraction => (
                "expired_interaction",
                "This sign\u{2011}in has expired",
                "It took too long, or it has been completed in another tab.",
            ),
            Self::ForeignInteraction => (
                "foreign_interaction",
                "This sign\u{2011}in began in another browser",
                "A sign\u{2011}in can only be completed in the browser in which it began. If it began here, newer ones have taken its place: a browser keeps the last 50.",
            ),
            Self::NoCookies => (
                "no_cookies",
                "Your browser sent no cookie",
                "Signing in needs one. Either cookies are turned off for this site, or this sign\u{2011}in began in another browser.",
            ),
            Self::CrossSitePost => (
                "cross_site_post",
                "This form was not accepted",
                "It did not come from a page of this server, or the page was too old.",
            ),
            Self::InvalidLogoutRedirect => (
                "invalid_post_logout_redirect_uri",
                "Invalid post-logout redirect URI",
                "The application asked to continue, after signing out, at an address that is not registered for it.",
            ),
            Self::InvalidLogoutHint => (
                "invalid_id_token_hint",
                "Invalid ID token hint",
                "The application sent a sign\u{2011}out request with a token that does not pass verification.",
            ),
            Self::Forbidden => (
                "forbidden",
                "No access",
                "Your account is not allowed to open this page.",
            ),
            Self::NotFound => (
                "not_found",
                "Page not found",
                "There is no page at this address.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                "This does not work here",
                "The page at this address does not accept this kind of request.",
            ),
            Self::TooManyRequests => (
                "too_many_requests",
                "Too many requests",
                "This server has received too many requests from your network in a short time.",
            ),
            Self::ServerBusy => (
                "server_busy",
                "The server is busy",
                "This server has more to do than it can handle at the moment.",
            ),
            Self::ServerError => (
                "server_error",
                "Something went wrong",
                "This server made a mistake and could not complete your request.",
            ),
        }
    }
}

/// The page for a cause.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    cause: ErrorCause,
    trace_id: &'a str,
    pub(super) application: Option<Application<'a>>,
}

impl<'a> ErrorPage<'a> {
    /// `trace_id` is what the operator looks for in the log.
    pub fn new(cause: ErrorCause, trace_id: &'a str) -> Self {
        Self {
            cause,
            trace_id,
            application: None,
        }
    }

    /// A trace id may have come in with the request: only what cannot carry a message is shown.
    fn trace_id(&self) -> Option<&'a str> {
        let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        let plain = (1..=64).contains(&self.trace_id.len()) && self.trace_id.bytes().all(hex);
        plain.then_some(self.trace_id)
    }
}

impl Page for ErrorPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().keep_opener()
    }
}
