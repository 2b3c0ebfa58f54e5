//! OIDC Core §3.1.2.3–§3.1.2.6 — whether the user must log in or consent before a response, and
//! what `prompt=none` makes of that. The one junction of the flow: every page returns here.

use serde::{Deserialize, Serialize};

use super::{
    authorization::{AuthorizationRequest, Prompt},
    error::{ErrorCode, OAuthError},
};
use crate::domain::{
    client::{Client, ConsentPolicy},
    consent::Consent,
    grant::Authentication,
    id::UserId,
    redirect_uri::RedirectUri,
    scope::Scope,
    time::Timestamp,
};

/// `acr` of a login with a password.
pub const ACR_PASSWORD: &str = "urn:countersign:acr:password";
/// `amr` of a login with a password (RFC 8176 §2).
pub const AMR_PASSWORD: &str = "pwd";

/// A user's login in this browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Who.
    pub user: UserId,
    /// How and when.
    pub authentication: Authentication,
}

/// What happened within one authorization request. A step counts only if it happened here, so that
/// `prompt=login` neither loops nor is skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Who logged in.
    pub logged_in: Option<UserId>,
    /// Who consented.
    pub consented: Option<UserId>,
}

/// All that the next step depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The request.
    pub request: &'a AuthorizationRequest,
    /// Its client.
    pub client: &'a Client,
    /// The login in this browser, of an active user.
    pub login: Option<&'a Login>,
    /// The subject of a valid `id_token_hint`.
    pub hinted: Option<&'a UserId>,
    /// What that user allowed this client before.
    pub consent: Option<&'a Consent>,
    /// What happened within this request.
    pub progress: &'a Progress,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The login page.
    LogIn,
    /// The consent page.
    Consent,
    /// The response.
    Issue,
    /// The response with an error.
    Fail(OAuthError),
}

/// Decides what comes next at `now`.
pub fn next_step(situation: &Situation<'_>, now: Timestamp) -> Step {
    let silent = situation.request.prompts(Prompt::None);
    let Some(login) = situation
        .login
        .filter(|login| !must_log_in(situation, login, now))
    else {
        return if silent {
            fail(ErrorCode::LoginRequired, "the user must log in")
        } else {
            Step::LogIn
        };
    };
    if situation.hinted.is_some_and(|hinted| *hinted != login.user) {
        return fail(
            ErrorCode::LoginRequired,
            "another user is logged in than id_token_hint names",
        );
    }
    if must_consent(situation, login) {
        return if silent {
            fail(ErrorCode::ConsentRequired, "the user must consent")
        } else {
            Step::Consent
        };
    }
    Step::Issue
}

fn must_log_in(situation: &Situation<'_>, login: &Login, now: Timestamp) -> bool {
    if situation.progress.logged_in.as_ref() == Some(&login.user) {
        return false;
    }
    let asked = situation.request.prompts(Prompt::Login)
        || situation.request.prompts(Prompt::SelectAccount);
    asked
        || situation
            .request
            .max_age
            .is_some_and(|max_age| is_older(&login.authentication, max_age, now))
}

/// A login exactly `max_age` old still counts, but never with `max_age=0`, which equals `prompt=login`.
fn is_older(authentication: &Authentication, max_age: u64, now: Timestamp) -> bool {
    max_age == 0 || now.since(authentication.time).as_secs() > max_age
}

fn must_consent(situation: &Situation<'_>, login: &Login) -> bool {
    if situation.progress.consented.as_ref() == Some(&login.user) {
        return false;
    }
    let remembered = situation
        .consent
        .is_some_and(|consent| situation.request.scope.is_subset(&consent.scope));
    situation.request.prompts(Prompt::Consent)
        || match situation.client.consent {
            ConsentPolicy::Implied => false,
            ConsentPolicy::Always => true,
            ConsentPolicy::Remember => !remembered || !identity_is_assured(situation),
        }
}

/// Whether nobody but the client can receive the response. Any program on the device can claim a
/// private scheme or a loopback port, so a public client there must not be let through silently
/// (RFC 8252 §8.6, RFC 6749 §10.2).
fn identity_is_assured(situation: &Situation<'_>) -> bool {
    !situation.client.is_public() || situation.request.redirect_uri.starts_with("https://")
}

/// The scope that a consent is asked for and remembered.
pub fn consented_scope(request: &AuthorizationRequest, before: Option<&Consent>) -> Scope {
    before.map_or_else(
        || request.scope.clone(),
        |consent| consent.scope.union(&request.scope),
    )
}

/// The host that the response goes to, for the consent page; the scheme of a private one.
pub fn client_host(redirect_uri: &RedirectUri) -> String {
    url::Url::parse(redirect_uri.as_str())
        .map(|url| {
            url.host_str()
                .map_or_else(|| url.scheme().to_owned(), str::to_owned)
        })
        .unwrap_or_default()
}

fn fail(code: ErrorCode, description: &'static str) -> Step {
    Step::Fail(OAuthError::new(code, description))
}
