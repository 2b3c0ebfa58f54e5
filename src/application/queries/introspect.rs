//! RFC 7662 — what an authenticated caller learns about a token.

use crate::{
    application::{
        Failure, Ports, access,
        ports::state::{Kind, StateKey},
        state,
    },
    domain::{client::Client, resource::ResourceServer},
    protocol::{
        access_token::AccessToken,
        gate,
        introspection::{Introspection, may_learn},
        refresh::{Family, RefreshToken},
    },
};

/// Describes `token` to `caller`, or says that it is inactive.
pub async fn introspect(
    ports: &Ports,
    caller: &Client,
    token: &str,
) -> Result<Introspection, Failure> {
    if let Ok(refresh) = token.parse::<RefreshToken>() {
        return refresh_token(ports, caller, &refresh).await;
    }
    let Some(live) = access::live(ports, token).await? else {
        return Ok(Introspection::INACTIVE);
    };
    let audience = audience(ports, caller, &live.claims).await?;
    if may_learn(caller, &live.claims, &audience) {
        Ok(Introspection::access_token(live.claims))
    } else {
        Ok(Introspection::INACTIVE)
    }
}

/// The APIs that the token is for; not looked up for a token of the caller's own.
async fn audience(
    ports: &Ports,
    caller: &Client,
    claims: &AccessToken,
) -> Result<Vec<ResourceServer>, Failure> {
    let mut servers = Vec::new();
    if claims.client_id != caller.id {
        for identifier in &claims.aud {
            servers.extend(ports.store.reader().resource_server(identifier).await?);
        }
    }
    Ok(servers)
}

/// A refresh token is its client's business only, and live only as the leaf of its family.
async fn refresh_token(
    ports: &Ports,
    caller: &Client,
    token: &RefreshToken,
) -> Result<Introspection, Failure> {
    if !ports.refresh_key.is_genuine(token) {
        return Ok(Introspection::INACTIVE);
    }
    let key = StateKey::new(Kind::RefreshFamily, &token.family);
    let Some(family) = state::get_record::<Family>(&*ports.state, &key).await? else {
        return Ok(Introspection::INACTIVE);
    };
    let now = ports.clock.now();
    let is_leaf = token.generation == family.leaf
        && !family.revoked
        && now < family.idle_until
        && now < family.expires_at;
    if !is_leaf || family.grant.client != caller.id {
        return Ok(Introspection::INACTIVE);
    }
    let reader = ports.store.reader();
    let record = reader.grant(&family.grant.id).await?;
    let user = match family.grant.subject() {
        Some(user) => reader.user(user).await?,
        None => None,
    };
    let stands = record.is_some_and(|record| record.revoked_at.is_none())
        && gate::is_alive(&family.grant, caller, user.as_ref()).is_ok();
    Ok(if stands {
        Introspection::refresh_token(&family)
    } else {
        Introspection::INACTIVE
    })
}
