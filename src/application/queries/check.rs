//! Whether a user or a token may do something, as a resource server asks.
//!
//! **Who may ask.** A confidential client that registered the scope value [`MAY_CHECK`], or whoever
//! presents an access token for this provider with it (where a user stands behind the token, the user
//! needs the permission of that name as well). They may ask about every user. A client that speaks
//! for an API may ask about the tokens for it, as at introspection (RFC 7662 §4), without the scope.

use std::sync::Arc;

use crate::{
    application::{
        Failure, Ports,
        access::{self, LiveToken},
        client_auth,
        directory::Sight,
        limits::Endpoint,
        trail::Origin,
    },
    domain::{
        administration::MAY_CHECK,
        client::Client,
        decision::{Actor, Decision, Reason, can},
        id::UserId,
        permission,
    },
    protocol::{
        client_auth::Credentials,
        error::{ErrorCode, OAuthError},
        introspection::may_learn,
    },
};

/// Questions at most in one request.
pub const MAX_QUESTIONS: usize = 100;

/// How a caller says who it is.
pub enum Caller<'a> {
    /// As a client.
    Client(&'a Credentials),
    /// By an access token.
    Token(&'a str),
}

/// A caller who was believed.
pub struct Asker {
    client: Arc<Client>,
    may_ask_about_users: bool,
}

/// Whom a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The user with this identifier.
    User(UserId),
    /// Whoever this access token was issued to.
    Token(String),
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The permission.
    pub permission: &'a str,
    /// The API where (RFC 8707).
    pub resource: Option<&'a str>,
}

/// Believes a caller, or not.
pub async fn asker(ports: &Ports, caller: Caller<'_>, origin: &Origin) -> Result<Asker, Failure> {
    match caller {
        Caller::Client(credentials) => {
            let (_, sight) = ports.directory.look(&[]).await?;
            let place = (Endpoint::Introspection, origin);
            let client =
                client_auth::authenticate_confidential(ports, &sight, credentials, place).await?;
            Ok(Asker {
                may_ask_about_users: client.scope.contains(MAY_CHECK),
                client,
            })
        }
        Caller::Token(token) => {
            let (live, _) = access::bring(ports, token).await?;
            let live = live.filter(|live| {
                let own = ports.settings.issuer.as_str();
                live.claims.aud.contains(own)
            });
            let live = live.ok_or_else(|| {
                OAuthError::new(
                    ErrorCode::InvalidToken,
                    "the access token is invalid, expired, revoked or for somebody else",
                )
            })?;
            if !may_check(&live) {
                return Err(insufficient().into());
            }
            Ok(Asker {
                client: live.client,
                may_ask_about_users: true,
            })
        }
    }
}

fn may_check(live: &LiveToken) -> bool {
    let claims = &live.claims;
    let by_user = || {
        let mut held = claims.permissions.iter();
        held.any(|held| permission::covers(held, MAY_CHECK))
    };
    claims.scope.contains(MAY_CHECK) && (live.user.is_none() || by_user())
}

/// Answers questions about one subject, in their order.
pub async fn check(
    ports: &Ports,
    asker: &Asker,
    subject: &Subject,
    questions: &[Question<'_>],
) -> Result<Vec<Decision>, Failure> {
    let all = |reason: Reason| vec![Decision::from(reason); questions.len()];
    match subject {
        Subject::User(id) => {
            if !asker.may_ask_about_users {
                return Err(insufficient().into());
            }
            let (_, sight) = ports.directory.look(&[]).await?;
            let Some(user) = sight.user(id).await? else {
                return Ok(all(Reason::UserUnknown));
            };
            if !user.is_active() {
                return Ok(all(Reason::UserInactive));
            }
            let authority = sight.authority(id).await?;
            Ok(decide(Actor::User(&authority), questions))
        }
        Subject::Token(token) => {
            let (live, sight) = access::present(ports, token).await?;
            match live {
                Some(live) if may_ask_about(&sight, asker, &live).await? => {
                    Ok(decide(live.bearer(&sight).await?.actor(), questions))
                }
                _ => Ok(all(Reason::TokenInactive)),
            }
        }
    }
}

async fn may_ask_about(
    sight: &Sight<'_>,
    asker: &Asker,
    live: &LiveToken,
) -> Result<bool, Failure> {
    if asker.may_ask_about_users {
        return Ok(true);
    }
    let mut servers = Vec::new();
    for identifier in &live.claims.aud {
        servers.extend(sight.resource_server(identifier).await?);
    }
    Ok(may_learn(&asker.client, &live.claims, &servers))
}

fn decide(actor: Actor<'_>, questions: &[Question<'_>]) -> Vec<Decision> {
    let answer = |question: &Question<'_>| can(actor, question.permission, question.resource);
    questions.iter().map(answer).collect()
}

fn insufficient() -> OAuthError {
    OAuthError::new(
        ErrorCode::InsufficientScope,
        "asking about users needs the scope authorize:check",
    )
}
