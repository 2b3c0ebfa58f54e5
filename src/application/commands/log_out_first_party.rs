//! The end of a JSON login: its session ends, and with it every token that stands on it.

use super::end_session::end_session;
use crate::{
    application::{Failure, Ports, client_auth, limits::Endpoint, queries::me, trail::Origin},
    domain::id::{ClientId, GrantId},
    protocol::{authentication::Login, client_auth::Credentials, refresh::RefreshToken},
};

/// Ends the session of an access token.
pub async fn log_out(ports: &Ports, access_token: &str, origin: &Origin) -> Result<(), Failure> {
    let live = me::live(ports, access_token).await?;
    end_session_of(ports, &live.claims.gid, &live.client.id, origin).await
}

/// Ends the session of a refresh token, at the request of its client. One that is unknown or dead has
/// ended (as RFC 7009 §2.2 has it).
pub async fn log_out_refresh(
    ports: &Ports,
    credentials: &Credentials,
    refresh_token: &str,
    origin: &Origin,
) -> Result<(), Failure> {
    let (_, sight) = ports.directory.look(&[]).await?;
    let client =
        client_auth::authenticate(ports, &sight, credentials, (Endpoint::Revocation, origin))
            .await?;
    let token: Option<RefreshToken> = refresh_token.parse().ok();
    match token.filter(|token| ports.refresh_key.is_genuine(token)) {
        Some(token) => {
            let grant = GrantId::new(token.family);
            end_session_of(ports, &grant, &client.id, origin).await
        }
        None => Ok(()),
    }
}

async fn end_session_of(
    ports: &Ports,
    grant: &GrantId,
    client: &ClientId,
    origin: &Origin,
) -> Result<(), Failure> {
    let record = ports.store.reader().grant(grant).await?;
    let owner = record
        .filter(|record| record.grant.client == *client && record.revoked_at.is_none())
        .and_then(|record| record.grant.owner);
    let Some(owner) = owner else {
        return Ok(());
    };
    let login = Login {
        user: owner.subject,
        authentication: owner.authentication,
    };
    end_session(ports, &login, origin).await.map(drop)
}
