//! Access tokens that come back: to userinfo, introspection and revocation.

use super::{
    Failure, Ports,
    ports::{
        InvalidToken,
        state::{Kind, StateKey},
    },
    state,
};
use crate::{
    domain::{client::Client, id::UserId, user::User},
    protocol::{
        access_token::{self, AccessToken},
        gate,
    },
};

/// Marks opaque access tokens, so that scanners for leaked secrets know them.
pub const OPAQUE_PREFIX: &str = "cs_at_";

/// An access token that is good at this moment, with those it concerns.
pub struct LiveToken {
    /// What it says.
    pub claims: AccessToken,
    /// Whose it is.
    pub client: Client,
    /// About whom; absent where the client acts for itself.
    pub user: Option<User>,
}

/// The content of a token of ours that has not expired; it may have been revoked.
pub async fn read(ports: &Ports, token: &str) -> Result<Option<AccessToken>, Failure> {
    let claims: Option<AccessToken> = if token.starts_with(OPAQUE_PREFIX) {
        state::get_record(&*ports.state, &StateKey::new(Kind::AccessToken, token)).await?
    } else {
        match ports.signer.verify(access_token::TYP, token).await {
            Ok(claims) => serde_json::from_value(claims.into()).ok(),
            Err(InvalidToken) => None,
        }
    };
    let now = ports.clock.now();
    Ok(claims.filter(|claims| claims.iss == ports.settings.issuer.as_str() && now < claims.exp))
}

/// The record that says that a self-contained token was revoked.
pub fn revocation(jti: &str) -> StateKey {
    StateKey::new(Kind::RevokedToken, &format!("jti\0{jti}"))
}

/// Reads a token and checks that it, its grant, its client and its user still stand.
pub async fn live(ports: &Ports, token: &str) -> Result<Option<LiveToken>, Failure> {
    let Some(claims) = read(ports, token).await? else {
        return Ok(None);
    };
    let is_jwt = !token.starts_with(OPAQUE_PREFIX);
    if is_jwt && ports.state.get(&revocation(&claims.jti)).await?.is_some() {
        return Ok(None);
    }
    let reader = ports.store.reader();
    let Some(client) = reader.client(&claims.client_id).await? else {
        return Ok(None);
    };
    if claims.sub == claims.client_id.as_str() {
        let stands = client.is_active() && claims.iat > client.not_before;
        return Ok(stands.then_some(LiveToken {
            claims,
            client,
            user: None,
        }));
    }
    let Some(record) = reader
        .grant(&claims.gid)
        .await?
        .filter(|record| record.revoked_at.is_none())
    else {
        return Ok(None);
    };
    let user = reader.user(&UserId::new(claims.sub.as_str())).await?;
    let stands = gate::is_alive(&record.grant, &client, user.as_ref()).is_ok();
    Ok(stands.then_some(LiveToken {
        claims,
        client,
        user,
    }))
}
