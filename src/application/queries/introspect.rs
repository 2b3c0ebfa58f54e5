//! RFC 7662 — what an authenticated caller learns about a token.

use std::sync::Arc;

use crate::{
    application::{
        Failure, Ports,
        access::{self, Presented},
        client_auth,
        commands::end_grant,
        directory::Sight,
        limits::Endpoint,
        state,
        trail::Origin,
    },
    domain::{client::Client, id::GrantId, resource::ResourceServer},
    protocol::{
        access_token::AccessToken,
        client_auth::Credentials,
        gate,
        introspection::{Introspection, may_learn},
        params::Params,
        refresh::{Family, RefreshToken},
        token,
    },
};

/// Describes the token of a request to an authenticated caller, or says that it is inactive.
pub async fn introspect(
    ports: &Ports,
    credentials: &Credentials,
    params: &Params,
    origin: &Origin,
) -> Result<Introspection, Failure> {
    let token = match token::subject_of(params) {
        Ok(token) => token,
        Err(error) => {
            let (_, sight) = ports.directory.look(&[]).await?;
            authenticate(ports, &sight, credentials, origin).await?;
            return Err(error.into());
        }
    };
    if let Ok(refresh) = token.parse::<RefreshToken>() {
        let grant = GrantId::new(refresh.family.as_str());
        let keys = [
            end_grant::family_key(&refresh.family),
            end_grant::mark(&grant),
        ];
        let (found, sight) = ports.directory.look(&keys).await?;
        let caller = authenticate(ports, &sight, credentials, origin).await?;
        return refresh_token(ports, (&sight, &caller), &refresh, &found).await;
    }
    let presented = Presented::read(ports, token).await;
    let (found, sight) = ports.directory.look(&presented.records()).await?;
    let caller = authenticate(ports, &sight, credentials, origin).await?;
    match presented.content(ports, &found)? {
        Some(content) => access_token(ports, (&sight, &caller), content).await,
        None => Ok(Introspection::INACTIVE),
    }
}

async fn authenticate(
    ports: &Ports,
    sight: &Sight<'_>,
    credentials: &Credentials,
    origin: &Origin,
) -> Result<Arc<Client>, Failure> {
    let place = (Endpoint::Introspection, origin);
    client_auth::authenticate_confidential(ports, sight, credentials, place).await
}

async fn access_token(
    ports: &Ports,
    (sight, caller): (&Sight<'_>, &Client),
    content: access::Content,
) -> Result<Introspection, Failure> {
    let Some(live) = access::live(sight, content, ports.clock.now()).await? else {
        return Ok(Introspection::INACTIVE);
    };
    let audience = audience(sight, caller, &live.claims).await?;
    if may_learn(caller, &live.claims, &audience) {
        Ok(Introspection::access_token(live.claims))
    } else {
        Ok(Introspection::INACTIVE)
    }
}

/// The APIs that the token is for; not looked up for a token of the caller's own.
async fn audience(
    sight: &Sight<'_>,
    caller: &Client,
    claims: &AccessToken,
) -> Result<Vec<Arc<ResourceServer>>, Failure> {
    let mut servers = Vec::new();
    if claims.client_id != caller.id {
        for identifier in &claims.aud {
            servers.extend(sight.resource_server(identifier).await?);
        }
    }
    Ok(servers)
}

/// A refresh token is its client's business only, and live only as the leaf of its family.
async fn refresh_token(
    ports: &Ports,
    (sight, caller): (&Sight<'_>, &Client),
    token: &RefreshToken,
    found: &[Option<Vec<u8>>],
) -> Result<Introspection, Failure> {
    if !ports.refresh_key.is_genuine(token) {
        return Ok(Introspection::INACTIVE);
    }
    let family = found.first().and_then(Option::as_deref);
    let Some(family): Option<Family> = family.map(state::decode).transpose()? else {
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
    let grant = &family.grant;
    let marks = [(
        end_grant::mark(&grant.id),
        found.get(1).is_some_and(Option::is_some),
    )];
    if sight
        .has_ended(&marks, Some(&grant.id), &family.epoch)
        .await?
    {
        return Ok(Introspection::INACTIVE);
    }
    let user = match grant.subject() {
        Some(user) => sight.user(user).await?,
        None => None,
    };
    Ok(match gate::is_alive(grant, caller, user.as_deref()) {
        Ok(()) => Introspection::refresh_token(&family),
        Err(_) => Introspection::INACTIVE,
    })
}
