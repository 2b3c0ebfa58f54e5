//! The views of the sign-in flow: login, consent, logout, form post, and the front page.

use std::borrow::Cow;

use askama::Template;

use super::client::ClientView;
use super::links::{FormAction, HttpsUrl, ReturnUrl};
use super::{Page, ScopeText};
use crate::web::csp::{Nonce, PagePolicy};

/// The login page; posts `interaction`, `csrf`, `username`, `password` and `remember`.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage<'a> {
    /// This page's own address, which the form posts to: it can be loaded again after an error.
    pub action: &'a str,
    /// The same page for somebody else than who is signed in; only shown where somebody is.
    pub another: Option<&'a str>,
    /// Names the pending authorization request.
    pub interaction: &'a str,
    /// The token against cross-site posts.
    pub csrf: &'a str,
    /// The application that waits for the answer; none when someone signs in to this server itself.
    pub client: Option<ClientView<'a>>,
    /// What the username field holds at first: the login hint, or what was typed before an error.
    pub username: &'a str,
    /// Whether "keep me signed in" is ticked at first.
    pub remember: bool,
    /// Why the page is shown.
    pub reason: LoginReason<'a>,
    /// What went wrong on the last attempt.
    pub error: Option<LoginError>,
    /// Where a forgotten password is set anew, if mail can be sent.
    pub forgot: Option<&'a str>,
    /// Where an account is made, if people may do that.
    pub register: Option<&'a str>,
    /// Lets the page's script run.
    pub nonce: Nonce,
}

impl LoginPage<'_> {
    fn blames_input(&self) -> bool {
        self.error == Some(LoginError::WrongCredentials)
    }
}

impl Page for LoginPage<'_> {
    fn policy(&self) -> PagePolicy {
        let policy = PagePolicy::bare()
            .own_forms()
            .keep_opener()
            .script(self.nonce.clone());
        match &self.client {
            Some(client) => client.allow_forms(policy),
            None => policy,
        }
    }
}

/// Why a login page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginReason<'a> {
    /// Nobody is signed in.
    SignIn,
    /// Somebody is, but the request wants fresh proof (`prompt=login`, `max_age`).
    Confirm {
        /// Who.
        user: &'a str,
    },
    /// Somebody is, and wants to be somebody else.
    Another {
        /// Who.
        user: &'a str,
    },
}

impl LoginReason<'_> {
    fn heading(self) -> &'static str {
        match self {
            Self::SignIn | Self::Another { .. } => "Sign in",
            Self::Confirm { .. } => "Confirm it is you",
        }
    }

    fn lead(self) -> &'static str {
        match self {
            Self::SignIn | Self::Another { .. } => "to continue to",
            Self::Confirm { .. } => "Enter your password again to continue to",
        }
    }

    /// The line under the heading when no application waits.
    fn own_lead(self) -> &'static str {
        match self {
            Self::SignIn | Self::Another { .. } => "Use your account on this server.",
            Self::Confirm { .. } => "Enter your password again.",
        }
    }
}

/// What the login page may say after a failed attempt. None of it depends on whether the account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginError {
    /// Unknown user, wrong password, disabled account: one text for all.
    WrongCredentials,
    /// Too many attempts from this place or for this name.
    TooManyAttempts {
        /// Until the next one, rounded up.
        minutes: u64,
    },
    /// All password checkers are occupied.
    Busy,
}

impl LoginError {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::WrongCredentials => {
                "The username or the password is not right. Please check both and try again.".into()
            }
            Self::TooManyAttempts { minutes: 0 | 1 } => {
                "There were too many attempts. Please wait a minute and try again.".into()
            }
            Self::TooManyAttempts { minutes } => format!(
                "There were too many attempts. Please wait {minutes} minutes and try again."
            )
            .into(),
            Self::Busy => "The server is busy right now. Please try again in a moment.".into(),
        }
    }
}

/// The accounts of this browser; posts `interaction`, `csrf` and `account`.
#[derive(Debug, Template)]
#[template(path = "choose.html")]
pub struct ChoosePage<'a> {
    /// Where the form posts to.
    pub action: &'a str,
    /// The login page for somebody else.
    pub another: &'a str,
    /// Names the pending authorization request.
    pub interaction: &'a str,
    /// The token against cross-site posts.
    pub csrf: &'a str,
    /// Who asks.
    pub client: ClientView<'a>,
    /// The identifier of the account that is signed in.
    pub account: &'a str,
    /// Its display name or username.
    pub user: &'a str,
    /// Its username.
    pub username: &'a str,
}

impl Page for ChoosePage<'_> {
    fn policy(&self) -> PagePolicy {
        let policy = PagePolicy::bare().own_forms().keep_opener();
        self.client.allow_forms(policy)
    }
}

/// The consent page; posts `interaction`, `csrf` and `decision` (`approve` or `cancel`).
#[derive(Debug, Template)]
#[template(path = "consent.html")]
pub struct ConsentPage<'a> {
    /// Where the form posts to.
    pub action: &'a str,
    /// The login page for somebody else.
    pub another: &'a str,
    /// Names the pending authorization request.
    pub interaction: &'a str,
    /// The token against cross-site posts.
    pub csrf: &'a str,
    /// Who asks.
    pub client: ClientView<'a>,
    /// The application's picture, at this server.
    pub logo: Option<&'a str>,
    /// Who is asked: the display name or username of the session's user.
    pub user: &'a str,
    /// What is asked for.
    pub scopes: Vec<ScopeText<'a>>,
    /// Single details that no scope above includes, in plain words.
    pub claims: Vec<&'a str>,
}

impl Page for ConsentPage<'_> {
    fn policy(&self) -> PagePolicy {
        let policy = PagePolicy::bare().own_forms().keep_opener();
        self.client.allow_forms(policy)
    }
}

/// The question before a logout (OIDC RP-Initiated Logout section 2); posts to `/oauth2/logout/confirm`.
#[derive(Debug, Template)]
#[template(path = "logout.html")]
pub struct LogoutPage<'a> {
    /// Names the pending logout request.
    pub interaction: &'a str,
    /// The token against cross-site posts.
    pub csrf: &'a str,
    /// Who is signed in.
    pub user: &'a str,
    /// The application that asks, if one does.
    pub client_name: Option<&'a str>,
    /// A path on this server for those who stay signed in.
    pub cancel_path: &'static str,
}

impl Page for LogoutPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().own_forms().keep_opener()
    }
}

/// The end of a logout: applications are told in frames (OIDC Front-Channel Logout section 3), then the browser goes on.
#[derive(Debug, Default, Template)]
#[template(path = "logged_out.html")]
pub struct LoggedOutPage<'a> {
    /// Front-channel logout addresses of the applications that took part in the session.
    pub frames: Vec<HttpsUrl<'a>>,
    /// Names of the applications that are told.
    pub told: &'a [String],
    /// The application's page to return to.
    pub next: Option<ReturnUrl<'a>>,
}

impl Page for LoggedOutPage<'_> {
    fn policy(&self) -> PagePolicy {
        let frames = self.frames.iter().filter_map(|frame| frame.url());
        frames.fold(PagePolicy::bare().keep_opener(), |policy, frame| {
            policy.frame(&frame)
        })
    }
}

/// An authorization response by POST (OAuth 2.0 Form Post Response Mode); submits itself, or on a click.
#[derive(Debug, Template)]
#[template(path = "form_post.html")]
pub struct FormPostPage<'a> {
    /// The client's redirect URI.
    pub action: FormAction<'a>,
    /// The parameters of the response, in order.
    pub fields: &'a [(&'a str, &'a str)],
    /// Lets the page load the script that submits it.
    pub nonce: Nonce,
}

impl Page for FormPostPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare()
            .forms_ending_at(self.action.url())
            .script(self.nonce.clone())
            .keep_opener()
    }
}

/// The frame that clients ask whether the session is still the same (OIDC Session Management section 3.3).
#[derive(Debug, Template)]
#[template(path = "check_session.html")]
pub struct CheckSessionPage {
    /// The cookie with the browser's state.
    pub cookie: &'static str,
    /// Lets the page load its script.
    pub nonce: Nonce,
}

impl Page for CheckSessionPage {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare()
            .script(self.nonce.clone())
            .framed_anywhere()
            .keep_opener()
    }
}

/// The front page: what this server is.
#[derive(Debug, Template)]
#[template(path = "index.html")]
pub struct IndexPage<'a> {
    /// The issuer identifier.
    pub issuer: &'a str,
    /// Whether the playground exists.
    pub mode: ServerMode,
}

impl IndexPage<'_> {
    fn is_development(&self) -> bool {
        self.mode == ServerMode::Development
    }
}

impl Page for IndexPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare()
    }
}

/// How the server was started, as far as pages care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerMode {
    /// `dev`: with the playground.
    Development,
    /// `serve`.
    Production,
}
