//! OpenID Connect RP-Initiated Logout 1.0 — what a logout request may do.
//!
//! Without a valid `id_token_hint` for the user who is logged in, the user confirms (§2). A redirect
//! happens only to a registered `post_logout_redirect_uri` of the client that the hint, or after a
//! confirmation `client_id`, names (§3).

use super::{error::OAuthError, params::Params};
use crate::domain::{
    client::Client,
    id::{ClientId, SessionId, UserId},
};

/// A logout request (§2). Nothing is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `id_token_hint`
    pub id_token_hint: Option<String>,
    /// `client_id`
    pub client: Option<ClientId>,
    /// `post_logout_redirect_uri`
    pub redirect_uri: Option<String>,
    /// `state`
    pub state: Option<String>,
}

impl LogoutRequest {
    /// Reads the parameters.
    pub fn parse(params: &Params) -> Result<Self, OAuthError> {
        if let Some(fault) = params.fault() {
            return Err(fault.into());
        }
        let text = |name| params.get(name).map(str::to_owned);
        Ok(Self {
            id_token_hint: text("id_token_hint"),
            client: params.get("client_id").map(ClientId::new),
            redirect_uri: text("post_logout_redirect_uri"),
            state: text("state"),
        })
    }
}

/// What a valid ID token, though perhaps expired, says about the session that should end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// `sub`
    pub subject: UserId,
    /// `aud`
    pub client: ClientId,
    /// `sid`
    pub session: Option<SessionId>,
}

/// What to do about a logout request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// End the session now, then go here or show that it is over.
    End(Option<String>),
    /// Ask the user first.
    Confirm(Option<String>),
    /// Show an error; the session stays.
    Refuse(Refusal),
}

/// Why a logout request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `post_logout_redirect_uri` is not registered, or nobody says for whom it should be.
    RedirectUri,
    /// `client_id` is not the audience of `id_token_hint` (§2).
    Client,
}

/// Decides, given the verified hint, the client it or `client_id` names, and who is logged in.
pub fn decide(
    request: &LogoutRequest,
    hint: Option<&Hint>,
    client: Option<&Client>,
    current: Option<(&UserId, &SessionId)>,
) -> Decision {
    if hint
        .zip(request.client.as_ref())
        .is_some_and(|(hint, named)| hint.client != *named)
    {
        return Decision::Refuse(Refusal::Client);
    }
    let destination = match &request.redirect_uri {
        None => None,
        Some(uri) => match client.filter(|client| is_registered(client, uri)) {
            Some(_) => Some(with_state(uri, request.state.as_deref())),
            None => return Decision::Refuse(Refusal::RedirectUri),
        },
    };
    match (hint, current) {
        (Some(hint), Some((user, session))) if names(hint, user, session) => {
            Decision::End(destination)
        }
        (Some(_), None) => Decision::End(destination),
        _ => Decision::Confirm(destination),
    }
}

/// Whether the hint is about this very session; one without `sid`, about this user.
fn names(hint: &Hint, user: &UserId, session: &SessionId) -> bool {
    hint.subject == *user && hint.session.as_ref().is_none_or(|hinted| hinted == session)
}

fn is_registered(client: &Client, uri: &str) -> bool {
    client
        .post_logout_redirect_uris
        .iter()
        .any(|registered| registered.matches(uri))
}

fn with_state(uri: &str, state: Option<&str>) -> String {
    let Some(state) = state else {
        return uri.to_owned();
    };
    let separator = if uri.contains('?') { '&' } else { '?' };
    let state: String = url::form_urlencoded::byte_serialize(state.as_bytes()).collect();
    format!("{uri}{separator}state={state}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client::sample;

    fn hint(subject: &str, session: &str) -> Hint {
        let session = Some(SessionId::new(session));
        Hint {
            subject: UserId::new(subject),
            client: ClientId::new("c"),
            session,
        }
    }

    fn request(uri: Option<&str>) -> LogoutRequest {
        let redirect_uri = uri.map(str::to_owned);
        LogoutRequest {
            redirect_uri,
            state: Some("a b".into()),
            ..LogoutRequest::default()
        }
    }

    const BYE: &str = "https://rp.example/bye";

    fn decided(request: &LogoutRequest, hint: Option<&Hint>) -> Decision {
        let (user, session) = (UserId::new("alice"), SessionId::new("s"));
        decide(request, hint, Some(&sample()), Some((&user, &session)))
    }

    #[test]
    fn a_hint_for_this_session_ends_it_and_redirects_with_state() {
        let decision = decided(&request(Some(BYE)), Some(&hint("alice", "s")));
        assert_eq!(decision, Decision::End(Some(format!("{BYE}?state=a+b"))));
    }

    #[test]
    fn c132_without_a_hint_the_user_confirms() {
        assert_eq!(decided(&request(None), None), Decision::Confirm(None));
    }

    #[test]
    fn c133_a_hint_about_somebody_else_or_another_session_ends_nothing_by_itself() {
        for hint in [hint("bob", "s"), hint("alice", "other")] {
            assert!(matches!(
                decided(&request(None), Some(&hint)),
                Decision::Confirm(_)
            ));
        }
    }

    #[test]
    fn c131_an_unregistered_address_is_refused() {
        for uri in [
            "https://evil.example/",
            "https://rp.example/bye?x=1",
            "https://rp.example/BYE",
        ] {
            let decision = decided(&request(Some(uri)), Some(&hint("alice", "s")));
            assert_eq!(decision, Decision::Refuse(Refusal::RedirectUri), "{uri}");
        }
        let nobody = decide(&request(Some(BYE)), None, None, None);
        assert_eq!(nobody, Decision::Refuse(Refusal::RedirectUri));
    }

    #[test]
    fn client_id_must_be_the_audience_of_the_hint() {
        let request = LogoutRequest {
            client: Some(ClientId::new("d")),
            ..request(None)
        };
        assert_eq!(
            decided(&request, Some(&hint("alice", "s"))),
            Decision::Refuse(Refusal::Client)
        );
    }
}
