//! OIDC Core §3.1.2.3–§3.1.2.6 — whether the user must log in or consent before a response, and
//! what `prompt=none` makes of that. The one junction of the flow: every page returns here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    authorization::{AuthorizationRequest, Prompt},
    claims_request,
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
    /// Who was chosen among the accounts that were offered.
    #[serde(default)]
    pub chosen: Option<UserId>,
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
    /// A page for the user.
    Ask(Question),
    /// The response.
    Issue,
    /// The response with an error.
    Fail(OAuthError),
}

/// What a page asks the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// To go on as who is logged in, or as somebody else.
    Choose,
    /// To log in.
    LogIn,
    /// To consent.
    Consent,
}

/// Decides what comes next at `now`.
pub fn next_step(situation: &Situation<'_>, now: Timestamp) -> Step {
    let silent = situation.request.prompts(Prompt::None);
    // `prompt=none` stands alone, so a choice is never asked for silently.
    if situation
        .login
        .is_some_and(|login| must_choose(situation, login))
    {
        return Step::Ask(Question::Choose);
    }
    let Some(login) = situation
        .login
        .filter(|login| !must_log_in(situation, login, now))
    else {
        return if silent {
            fail(ErrorCode::LoginRequired, "the user must log in")
        } else {
            Step::Ask(Question::LogIn)
        };
    };
    if situation.hinted.is_some_and(|hinted| *hinted != login.user) {
        return fail(
            ErrorCode::LoginRequired,
            "another user is logged in than id_token_hint names",
        );
    }
    let claims = &situation.request.claims;
    if !claims.may_be_about(&login.user) {
        return fail(
            ErrorCode::LoginRequired,
            "another user is logged in than the claims parameter names",
        );
    }
    if !claims.is_served_by(&login.authentication.acr) {
        return fail(
            ErrorCode::UnmetAuthenticationRequirements,
            "no login reaches an acr that the claims parameter needs",
        );
    }
    if must_consent(situation, login) {
        return if silent {
            fail(ErrorCode::ConsentRequired, "the user must consent")
        } else {
            Step::Ask(Question::Consent)
        };
    }
    Step::Issue
}

/// Whoever logged in within the request has chosen by that.
fn must_choose(situation: &Situation<'_>, login: &Login) -> bool {
    let Progress {
        logged_in, chosen, ..
    } = situation.progress;
    let has_chosen = [logged_in, chosen]
        .map(Option::as_ref)
        .contains(&Some(&login.user));
    situation.request.prompts(Prompt::SelectAccount) && !has_chosen
}

fn must_log_in(situation: &Situation<'_>, login: &Login, now: Timestamp) -> bool {
    if situation.progress.logged_in.as_ref() == Some(&login.user) {
        return false;
    }
    situation.request.prompts(Prompt::Login)
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
        .is_some_and(|consent| covers(consent, situation.request));
    situation.request.prompts(Prompt::Consent)
        || match situation.client.consent {
            ConsentPolicy::Implied => false,
            ConsentPolicy::Always => true,
            ConsentPolicy::Remember => !remembered || !identity_is_assured(situation),
        }
}

/// Whether everything that is asked for was allowed before. A claim was if its scope was.
fn covers(consent: &Consent, request: &AuthorizationRequest) -> bool {
    let mut claims = request.claims.granted.names();
    request.scope.is_subset(&consent.scope)
        && claims.all(|claim| {
            consent.claims.contains(claim) || claims_request::is_allowed(claim, &consent.scope)
        })
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

/// The claims that a consent by name is remembered for.
pub fn consented_claims(
    request: &AuthorizationRequest,
    before: Option<&Consent>,
) -> BTreeSet<String> {
    let known = before.map(|consent| consent.claims.clone());
    let mut claims = known.unwrap_or_default();
    claims.extend(request.claims.granted.names().map(str::to_owned));
    claims
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        domain::{client::sample, id::SessionId},
        protocol::{authorization::RawAuthorization, capability::Features, params::Params},
    };

    const NOW: Timestamp = Timestamp(1_700_000_000);

    fn login(user: &str, age: i64) -> Login {
        let authentication = Authentication {
            time: Timestamp(NOW.0 - age),
            acr: ACR_PASSWORD.into(),
            amr: vec![],
            session: SessionId::new("s"),
            version: 0,
        };
        Login {
            user: UserId::new(user),
            authentication,
        }
    }

    fn consent(scope: &str) -> Consent {
        let client = sample().id;
        Consent {
            user: UserId::new("alice"),
            client,
            scope: scope.parse().unwrap(),
            claims: BTreeSet::new(),
            granted_at: NOW,
        }
    }

    fn request(extra: &str) -> AuthorizationRequest {
        let query = format!(
            "client_id=c&response_type=code&redirect_uri=https://rp.example/cb&scope=openid+email&{extra}"
        );
        let raw = RawAuthorization::parse(Params::parse(query.as_bytes()));
        raw.bind(&sample())
            .unwrap()
            .accept(&sample(), &Features::all([]))
            .unwrap()
    }

    /// The step for a request with `extra`, with this login, after consent to everything.
    fn step(extra: &str, login: Option<&Login>, progress: &Progress) -> Step {
        let (request, client, consent) = (request(extra), sample(), consent("openid email"));
        let situation = Situation {
            request: &request,
            client: &client,
            login,
            hinted: None,
            consent: Some(&consent),
            progress,
        };
        next_step(&situation, NOW)
    }

    fn code(step: &Step) -> ErrorCode {
        match step {
            Step::Fail(error) => error.code,
            Step::Ask(_) | Step::Issue => panic!("{step:?}"),
        }
    }

    #[test]
    fn without_login_the_page_is_shown_or_login_required_is_answered() {
        assert_eq!(
            step("", None, &Progress::default()),
            Step::Ask(Question::LogIn)
        );
        assert_eq!(
            code(&step("prompt=none", None, &Progress::default())),
            ErrorCode::LoginRequired
        );
    }

    #[test]
    fn prompt_login_asks_once_and_only_a_login_within_the_request_counts() {
        let login = login("alice", 0);
        assert_eq!(
            step("prompt=login", Some(&login), &Progress::default()),
            Step::Ask(Question::LogIn)
        );
        let done = Progress {
            logged_in: Some(UserId::new("alice")),
            ..Progress::default()
        };
        assert_eq!(step("prompt=login", Some(&login), &done), Step::Issue);
        let other = Progress {
            logged_in: Some(UserId::new("bob")),
            ..Progress::default()
        };
        assert_eq!(
            step("prompt=login", Some(&login), &other),
            Step::Ask(Question::LogIn)
        );
    }

    #[test]
    fn select_account_offers_the_account_once_and_a_choice_is_no_proof() {
        let alice = login("alice", 61);
        let chosen = |user: &str| Progress {
            chosen: Some(UserId::new(user)),
            ..Progress::default()
        };
        let step = |extra: &str, progress: &Progress| step(extra, Some(&alice), progress);
        let (none, choose) = (Progress::default(), Step::Ask(Question::Choose));
        assert_eq!(step("prompt=select_account", &none), choose);
        assert_eq!(step("prompt=select_account", &chosen("bob")), choose);
        assert_eq!(step("prompt=select_account", &chosen("alice")), Step::Issue);
        for extra in [
            "prompt=select_account+login",
            "prompt=select_account&max_age=60",
        ] {
            assert_eq!(step(extra, &none), choose);
            assert_eq!(step(extra, &chosen("alice")), Step::Ask(Question::LogIn));
        }
        let logged_in = Progress {
            logged_in: Some(UserId::new("alice")),
            ..Progress::default()
        };
        assert_eq!(step("prompt=select_account+login", &logged_in), Step::Issue);
    }

    #[test]
    fn c035_max_age_zero_always_asks_and_an_exact_age_still_counts() {
        let none = Progress::default();
        assert_eq!(
            step("max_age=0", Some(&login("alice", 0)), &none),
            Step::Ask(Question::LogIn)
        );
        assert_eq!(
            step("max_age=60", Some(&login("alice", 60)), &none),
            Step::Issue
        );
        assert_eq!(
            step("max_age=60", Some(&login("alice", 61)), &none),
            Step::Ask(Question::LogIn)
        );
        assert_eq!(
            step("max_age=9999999999", Some(&login("alice", 61)), &none),
            Step::Issue
        );
        assert_eq!(
            code(&step(
                "max_age=60&prompt=none",
                Some(&login("alice", 61)),
                &none
            )),
            ErrorCode::LoginRequired
        );
    }

    #[test]
    fn consent_is_asked_for_what_is_new_and_when_the_client_asks() {
        let (client, alice) = (sample(), login("alice", 0));
        let narrow = consent("openid");
        let request = request("");
        let situation = Situation {
            request: &request,
            client: &client,
            login: Some(&alice),
            hinted: None,
            consent: Some(&narrow),
            progress: &Progress::default(),
        };
        assert_eq!(next_step(&situation, NOW), Step::Ask(Question::Consent));
        assert_eq!(
            step("prompt=consent", Some(&alice), &Progress::default()),
            Step::Ask(Question::Consent)
        );
        let done = Progress {
            consented: Some(UserId::new("alice")),
            ..Progress::default()
        };
        assert_eq!(step("prompt=consent", Some(&alice), &done), Step::Issue);
        let implied = Client {
            consent: ConsentPolicy::Implied,
            ..sample()
        };
        assert_eq!(
            next_step(
                &Situation {
                    client: &implied,
                    consent: None,
                    ..situation
                },
                NOW
            ),
            Step::Issue
        );
    }

    #[test]
    fn c041_a_public_client_on_the_device_is_never_let_through_silently() {
        use crate::domain::client::ClientAuthentication;
        let client = Client {
            authentication: ClientAuthentication::None,
            ..sample()
        };
        let (alice, consent) = (login("alice", 0), consent("openid email"));
        let native = AuthorizationRequest {
            redirect_uri: "com.example.app:/cb".into(),
            ..request("")
        };
        let situation = Situation {
            request: &native,
            client: &client,
            login: Some(&alice),
            hinted: None,
            consent: Some(&consent),
            progress: &Progress::default(),
        };
        assert_eq!(next_step(&situation, NOW), Step::Ask(Question::Consent));
        let web = request("");
        assert_eq!(
            next_step(
                &Situation {
                    request: &web,
                    ..situation
                },
                NOW
            ),
            Step::Issue
        );
    }

    #[test]
    fn c039_another_user_than_the_hint_names_gets_login_required() {
        let (client, alice, consent, request) = (
            sample(),
            login("alice", 0),
            consent("openid email"),
            request(""),
        );
        let bob = UserId::new("bob");
        let situation = Situation {
            request: &request,
            client: &client,
            login: Some(&alice),
            hinted: Some(&bob),
            consent: Some(&consent),
            progress: &Progress::default(),
        };
        assert_eq!(code(&next_step(&situation, NOW)), ErrorCode::LoginRequired);
    }
}
