//! What the playground's page lists: the steps of a sign-in in their order, done or still to come.

use super::record::Exchange;
use crate::web::pages::{PlaygroundAction, Step, StepOutcome};

/// Steps kept for one browser; the oldest give way.
const MAX_STEPS: usize = 60;

/// The parts that a step shows by name.
pub(super) type Parts = Vec<(String, String)>;

/// What can happen in the playground, in the order of a complete walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Discovery,
    Keys,
    Authorization,
    Callback,
    Token,
    IdToken,
    AccessToken,
    Userinfo,
    Introspection,
    Refresh,
    Logout,
    ClientCredentials,
}

impl Kind {
    const WALK: [Self; 11] = [
        Self::Discovery,
        Self::Keys,
        Self::Authorization,
        Self::Callback,
        Self::Token,
        Self::IdToken,
        Self::AccessToken,
        Self::Userinfo,
        Self::Introspection,
        Self::Refresh,
        Self::Logout,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Discovery => "Discovery",
            Self::Keys => "Signing keys",
            Self::Authorization => "Authorization request",
            Self::Callback => "Authorization response",
            Self::Token => "Token request",
            Self::IdToken => "ID token",
            Self::AccessToken => "Access token",
            Self::Userinfo => "Userinfo",
            Self::Introspection => "Introspection",
            Self::Refresh => "Refresh",
            Self::Logout => "Sign-out",
            Self::ClientCredentials => "Client credentials",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Self::Discovery => {
                "The application knows the issuer and reads everything else from its metadata (OpenID Connect Discovery, RFC 8414)."
            }
            Self::Keys => {
                "It fetches the public keys that tokens are signed with (RFC 7517), so that it can verify them by itself."
            }
            Self::Authorization => {
                "It sends the browser to the server. The hash of a secret that it keeps (PKCE, RFC 7636) ties the answer to this application, the state to this browser, the nonce to the ID token."
            }
            Self::Callback => {
                "After login and consent the server sends the browser back with a code, which works once and for a minute. State and issuer (RFC 9207) must be those of the request."
            }
            Self::Token => {
                "The application redeems the code over its own connection. It proves who it is with its client secret, and that it made the request with the PKCE verifier."
            }
            Self::IdToken => {
                "It says who signed in, when and how. Before the application believes it, it checks signature, issuer, audience, expiry, nonce, and that it belongs to the access token."
            }
            Self::AccessToken => {
                "It is for APIs, which verify it in the same way (RFC 9068). Applications should not look inside; here we do, to show what an API sees."
            }
            Self::Userinfo => {
                "The access token opens the userinfo endpoint, which answers with the claims of the granted scopes. Its subject must be that of the ID token."
            }
            Self::Introspection => {
                "An API that cannot verify tokens, or must know at once when one is revoked, asks the server (RFC 7662)."
            }
            Self::Refresh => {
                "The refresh token buys new tokens without the user. It is replaced on every use; when an old one comes back, the server ends the whole grant (RFC 9700)."
            }
            Self::ClientCredentials => {
                "A service asks for a token of its own, without any user (RFC 6749 §4.4). Its subject is the service itself."
            }
            Self::Logout => {
                "The application sends the browser to the server to end its session there, and gets it back afterwards (OpenID Connect RP-Initiated Logout)."
            }
        }
    }
}

/// The steps that one browser has taken.
#[derive(Default)]
pub(super) struct Steps(Vec<(Kind, Step)>);

impl Steps {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds what happened: the message exchanged, if any, and the parts, or why it failed.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        exchange: Option<Exchange>,
        result: Result<Parts, Failed>,
    ) {
        let (outcome, decoded) = match result {
            Ok(parts) => (StepOutcome::Ok, parts),
            Err(Failed { reason, mut parts }) => {
                parts.push(("What went wrong".to_owned(), reason));
                (StepOutcome::Failed, parts)
            }
        };
        let (request, response, curl) = exchange.map_or((None, None, None), |exchange| {
            (Some(exchange.request), exchange.response, exchange.curl)
        });
        if self.0.len() == MAX_STEPS {
            self.0.remove(0);
        }
        let step = Step {
            request,
            response,
            curl,
            decoded,
            outcome,
            ..pending(kind)
        };
        self.0.push((kind, step));
    }

    /// What has happened, then what has not.
    pub(super) fn shown(&self) -> Vec<Step> {
        let done = self.0.iter().map(|(_, step)| step.clone());
        let missing = Kind::WALK.into_iter().filter(|kind| !self.has(*kind));
        done.chain(missing.map(pending)).collect()
    }

    /// What the holder of tokens can do; first what has not been done yet.
    pub(super) fn actions(&self) -> Vec<PlaygroundAction> {
        let mut actions = vec![
            (Kind::Userinfo, PlaygroundAction::Userinfo),
            (Kind::Introspection, PlaygroundAction::Introspect),
            (Kind::Refresh, PlaygroundAction::Refresh),
            (Kind::Logout, PlaygroundAction::Logout),
        ];
        actions.sort_by_key(|(kind, _)| self.has(*kind));
        actions.into_iter().map(|(_, action)| action).collect()
    }

    fn has(&self, kind: Kind) -> bool {
        self.0.iter().any(|(done, _)| *done == kind)
    }
}

/// Why a step failed, and what it had to show nevertheless.
#[derive(Debug)]
pub(super) struct Failed {
    /// In words for a developer.
    pub(super) reason: String,
    /// As of a step that succeeded.
    pub(super) parts: Parts,
}

impl Failed {
    /// With nothing but the reason.
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            parts: Parts::new(),
        }
    }

    /// With an error and what caused it.
    pub(super) fn of(error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let texts: Vec<String> = causes.map(ToString::to_string).collect();
        Self::because(texts.join(": "))
    }
}

fn pending(kind: Kind) -> Step {
    Step {
        title: kind.title().to_owned(),
        explanation: kind.explanation().to_owned(),
        request: None,
        response: None,
        curl: None,
        decoded: Vec::new(),
        outcome: StepOutcome::Pending,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_step_that_failed_says_why() {
        let mut steps = Steps::default();
        steps.add(Kind::Discovery, None, Err(Failed::because("no route")));
        let shown = steps.shown();
        assert_eq!(shown.len(), Kind::WALK.len());
        assert_eq!(shown[0].outcome, StepOutcome::Failed);
        assert_eq!(
            shown[0].decoded,
            [("What went wrong".to_owned(), "no route".to_owned())]
        );
        assert_eq!(shown[1].outcome, StepOutcome::Pending);
    }

    #[test]
    fn the_next_action_is_one_that_has_not_been_done() {
        let mut steps = Steps::default();
        assert_eq!(steps.actions()[0], PlaygroundAction::Userinfo);
        steps.add(Kind::Userinfo, None, Ok(Parts::new()));
        assert_eq!(steps.actions()[0], PlaygroundAction::Introspect);
        assert_eq!(steps.actions()[3], PlaygroundAction::Userinfo);
    }

    #[test]
    fn a_browser_that_repeats_itself_does_not_fill_the_memory() {
        let mut steps = Steps::default();
        for _ in 0..2 * MAX_STEPS {
            steps.add(Kind::Userinfo, None, Ok(Parts::new()));
        }
        assert_eq!(steps.0.len(), MAX_STEPS);
    }
}
