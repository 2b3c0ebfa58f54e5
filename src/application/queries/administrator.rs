//! Who calls the administration API: whoever has an access token for it.

use std::collections::BTreeSet;

use crate::{
    application::{Failure, Ports, access, administration::Administrator, trail::Origin},
    domain::{
        administration::{EVERYTHING, Right},
        decision::can,
        event::Actor,
        resource::ResourceServer,
        role::Permission,
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

/// The administrator who presents this token.
pub async fn administrator(
    ports: &Ports,
    token: &str,
    origin: &Origin,
) -> Result<Administrator, Failure> {
    let here = audience(&ports.settings.issuer);
    let (live, sight) = access::bring(ports, token).await?;
    let live = live
        .filter(|live| live.claims.aud.contains(&here))
        .ok_or_else(invalid)?;
    let bearer = live.bearer(&sight).await?;
    let may = |right: &Right| can(bearer.actor(), right.as_str(), Some(&here)).allowed;
    let rights = Right::ALL.iter().copied().filter(may).collect();
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
        rights,
        origin: Origin {
            by: Some(actor.clone()),
            ..origin.clone()
        },
        actor,
        granted,
        here,
        expected: None,
    })
}

fn invalid() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidToken,
        "the access token is invalid, expired, revoked or not for the administration API",
    )
}
