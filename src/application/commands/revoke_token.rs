//! RFC 7009 §2 — revoking a token at its client's request.

use super::exchange_token::revoke;
use crate::{
    application::{
        Failure, Ports,
        access::{self, OPAQUE_PREFIX},
        ports::state::{Kind, StateKey},
        state,
        trail::Origin,
    },
    domain::{client::Client, event::EventKind},
    protocol::{
        refresh::{Family, RefreshToken},
        revocation::foreign_token,
    },
};

/// Revokes `token`. One that does not exist, or is dead already, is revoked (§2.2).
pub async fn revoke_token(
    ports: &Ports,
    client: &Client,
    token: &str,
    origin: &Origin,
) -> Result<(), Failure> {
    match token.parse::<RefreshToken>() {
        Ok(refresh) if ports.refresh_key.is_genuine(&refresh) => {
            revoke_family(ports, client, &refresh, origin).await
        }
        _ => revoke_access_token(ports, client, token).await,
    }
}

/// A refresh token takes the grant with it, and with the grant all its access tokens.
async fn revoke_family(
    ports: &Ports,
    client: &Client,
    token: &RefreshToken,
    origin: &Origin,
) -> Result<(), Failure> {
    let key = StateKey::new(Kind::RefreshFamily, &token.family);
    let Some(family) = state::get_record::<Family>(&*ports.state, &key).await? else {
        return Ok(());
    };
    if family.grant.client != client.id {
        return Err(foreign_token().into());
    }
    revoke(
        ports,
        &family.grant.id,
        client,
        EventKind::GrantRevoked,
        origin,
    )
    .await?;
    ports.state.delete(&key).await?;
    Ok(())
}

async fn revoke_access_token(ports: &Ports, client: &Client, token: &str) -> Result<(), Failure> {
    let Some(claims) = access::read(ports, token).await? else {
        return Ok(());
    };
    if claims.client_id != client.id {
        return Err(foreign_token().into());
    }
    if token.starts_with(OPAQUE_PREFIX) {
        ports
            .state
            .delete(&StateKey::new(Kind::AccessToken, token))
            .await?;
    } else {
        let ttl = claims.exp.since(ports.clock.now());
        ports
            .state
            .put(&access::revocation(&claims.jti), b"1", ttl)
            .await?;
    }
    Ok(())
}
