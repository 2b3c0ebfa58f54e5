//! The playground's page: the messages of a sign-in, one below the other (development only).

use askama::Template;

use super::Page;
use crate::web::csp::{Nonce, PagePolicy};

/// Every message of the flow so far, and what can be done next.
#[derive(Debug, Template)]
#[template(path = "playground.html")]
pub struct PlaygroundPage {
    /// Lets the page load its script for copy buttons.
    pub nonce: Nonce,
    /// The flow in order; steps that have not happened yet are pending.
    pub steps: Vec<Step>,
    /// What can be done now; the first is the natural next one.
    pub actions: Vec<PlaygroundAction>,
    /// What can be chosen before a sign-in.
    pub choices: Option<PlaygroundChoices>,
    /// Whether the playground holds tokens.
    pub signed_in: bool,
}

impl Page for PlaygroundPage {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare().own_forms().script(self.nonce.clone())
    }
}

/// What the form before a sign-in holds.
#[derive(Clone, Debug)]
pub struct PlaygroundChoices {
    /// `web` or `spa`.
    pub client: &'static str,
    /// `scope`
    pub scope: String,
    /// `prompt`; empty for none.
    pub prompt: String,
    /// `resource`; empty for none.
    pub resource: String,
}

impl PlaygroundChoices {
    const PROMPTS: [(&'static str, &'static str); 5] = [
        ("", "nothing in particular"),
        ("login", "login: sign in again"),
        ("consent", "consent: ask again"),
        ("select_account", "select_account: choose"),
        ("none", "none: no page at all"),
    ];
    const CLIENTS: [(&'static str, &'static str); 2] = [
        ("web", "Web application, with a secret"),
        ("spa", "Script in the browser, without"),
    ];

    fn asks_as(&self, client: impl AsRef<str>) -> bool {
        self.client == client.as_ref()
    }

    fn has_prompt(&self, prompt: impl AsRef<str>) -> bool {
        self.prompt == prompt.as_ref()
    }
}

/// One exchange of the flow.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens, in a few words.
    pub title: String,
    /// Why it happens.
    pub explanation: String,
    /// Method, address, headers and body, ready to read.
    pub request: Option<String>,
    /// Status, headers and body, ready to read.
    pub response: Option<String>,
    /// The request as a command for a shell.
    pub curl: Option<String>,
    /// Further parts by name: a token's header, its claims, the result of verification.
    pub decoded: Vec<(String, String)>,
    /// How it went.
    pub outcome: StepOutcome,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It succeeded.
    Ok,
    /// It failed; the step's parts say why.
    Failed,
    /// It has not happened yet.
    Pending,
}

impl StepOutcome {
    fn slug(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Pending => "pending",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Ok => "Done",
            Self::Failed => "Failed",
            Self::Pending => "Not yet",
        }
    }
}

/// What the visitor can do next. Each is a POST to `/playground/<slug>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaygroundAction {
    /// Use the refresh token.
    Refresh,
    /// Ask the userinfo endpoint.
    Userinfo,
    /// Ask the introspection endpoint.
    Introspect,
    /// End the session at the server.
    Logout,
    /// Forget everything and begin again.
    StartOver,
}

impl PlaygroundAction {
    /// The last segment of the address that performs it, also the id of its button.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Userinfo => "userinfo",
            Self::Introspect => "introspect",
            Self::Logout => "logout",
            Self::StartOver => "start-over",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Refresh => "Refresh tokens",
            Self::Userinfo => "Call userinfo",
            Self::Introspect => "Introspect token",
            Self::Logout => "Sign out",
            Self::StartOver => "Start over",
        }
    }
}
