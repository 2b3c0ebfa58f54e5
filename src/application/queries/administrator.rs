//! Who calls the administration API: whoever has an access token for it.

use std::collections::BTreeSet;

use crate::{
    application::{
        Failure, Ports,
        access::{self, LiveToken, Presented},
        administration::{Administrator, Version},
        directory::Sight,
        trail::Origin,
    },
    domain::{
        administration::{EVERYTHING, Right},
        decision::{self, can},
        event::Actor,
        resource::ResourceServer,
        role::{Authority, Permission},
        scope::Scope,
    },
    protocol::{
        error::{ErrorCode, OAuthError},
        issuer::Issuer,
        metadata::paths,
    },
};

/// The resource indicator of the administration API: the audience of the tokens that it takes.
pub fn audience(issuer: &Issuer) -> String {
    issuer.url(paths::ADMINISTRATION)
}

/// The administration API as tokens are asked for it.
pub fn resource_server(issuer: &Issuer) -> ResourceServer {
    let values: Vec<&str> = Right::ALL
        .iter()
        .map(|right| right.as_str())
        .chain([EVERYTHING])
        .collect();
    let scope: Scope = values.join(" ").parse().unwrap_or_default();
    ResourceServer {
        identifier: audience(issuer),
        name: "Administration".to_owned(),
        scope,
        access_token_format: None,
        introspection_client: None,
    }
}

/// The administrator who presents this token. `expected` are the versions that a change is meant for.
pub async fn administrator(
    ports: &Ports,
    token: &str,
    origin: &Origin,
    expected: Option<Vec<Version>>,
) -> Result<Administrator, Failure> {
    let presented = Presented::read(ports, token).await;
    let (found, sight) = ports.directory.look(&presented.records()).await?;
    let here = audience(&ports.settings.issuer);
    let live = match presented.content(ports, &found)? {
        Some(content) => access::live(&sight, content, ports.clock.now()).await?,
        None => None,
    };
    let live = live
        .filter(|live| live.claims.aud.contains(&here))
        .ok_or_else(invalid)?;
    let holding = Holding::of(&sight, &live).await?;
    let rights = Right::ALL.iter().copied().filter(|right| {
        let actor = holding.actor(&live);
        can(actor, right.as_str(), Some(&here)).allowed
    });
    let (actor, granted) = if let Some(user) = &live.user {
        (Actor::User(user.id.clone()), BTreeSet::new())
    } else {
        let everywhere = |name| Permission {
            name,
            resource: None,
        };
        let granted = live.client.rights.asked(&live.claims.scope);
        let granted = granted.into_iter().map(everywhere).collect();
        (Actor::Client(live.client.id.clone()), granted)
    };
    Ok(Administrator {
        rights: rights.collect(),
        origin: Origin {
            by: Some(actor.clone()),
            ..origin.clone()
        },
        actor,
        granted,
        expected,
    })
}

/// What the caller of a token may do, now.
struct Holding {
    authority: Option<std::sync::Arc<Authority>>,
    audience: Vec<String>,
}

impl Holding {
    async fn of(sight: &Sight<'_>, live: &LiveToken) -> Result<Self, Failure> {
        let authority = match &live.user {
            Some(user) => Some(sight.authority(&user.id).await?),
            None => None,
        };
        Ok(Self {
            authority,
            audience: live.claims.aud.iter().cloned().collect(),
        })
    }

    fn actor<'a>(&'a self, live: &'a LiveToken) -> decision::Actor<'a> {
        let (rights, scope) = (&live.client.rights, &live.claims.scope);
        match &self.authority {
            Some(authority) => decision::Actor::Token {
                authority,
                rights,
                scope,
                audience: &self.audience,
            },
            None => decision::Actor::Client {
                rights,
                scope,
                audience: &self.audience,
            },
        }
    }
}

fn invalid() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidToken,
        "the access token is invalid, expired, revoked or not for the administration API",
    )
}
