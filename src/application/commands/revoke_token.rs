//! RFC 7009 §2 — revoking a token at its client's request.
//!
//! What was answered stays revoked: every end is durable in SQL before the answer, whatever becomes of
//! the state store.

use super::end_grant::{about_grant, end_grant, family_key};
use crate::{
    application::{
        Failure, Ports,
        access::{self, Content, Presented},
        client_auth,
        directory::revocation_id,
        limits::Endpoint,
        ports::Entry,
        state,
        trail::Origin,
    },
    domain::{client::Client, event::EventKind, id::GrantId},
    protocol::{
        client_auth::Credentials,
        params::Params,
        refresh::{Family, RefreshToken},
        revocation::foreign_token,
        token,
    },
};

/// Revokes the token of a request. One that does not exist, or is dead already, is revoked (§2.2).
pub async fn revoke_token(
    ports: &Ports,
    credentials: &Credentials,
    params: &Params,
    origin: &Origin,
) -> Result<(), Failure> {
    let place = (Endpoint::Revocation, origin);
    let token = match token::subject_of(params) {
        Ok(token) => token,
        Err(error) => {
            let (_, sight) = ports.directory.look(&[]).await?;
            client_auth::authenticate(ports, &sight, credentials, place).await?;
            return Err(error.into());
        }
    };
    match token.parse::<RefreshToken>() {
        Ok(refresh) if ports.refresh_key.is_genuine(&refresh) => {
            let key = family_key(&refresh.family);
            let (found, sight) = ports.directory.look(&[key]).await?;
            let client = client_auth::authenticate(ports, &sight, credentials, place).await?;
            let family = found.first().and_then(Option::as_deref);
            let family = family.map(state::decode).transpose()?;
            revoke_family(ports, &client, (&refresh, family), origin).await
        }
        _ => {
            let presented = Presented::read(ports, token).await;
            let is_opaque = matches!(presented, Presented::Opaque { .. });
            let (found, sight) = ports.directory.look(&presented.records()).await?;
            let client = client_auth::authenticate(ports, &sight, credentials, place).await?;
            // Also one that has expired by this clock: the clock may be set back.
            let content = presented.content_at_any_time(ports, &found)?;
            let opaque = is_opaque.then_some(token);
            revoke_access_token(ports, &client, content, opaque).await
        }
    }
}

/// A refresh token takes the grant with it, and with the grant all its access tokens. The grant is
/// in SQL even if the state store has forgotten the family.
async fn revoke_family(
    ports: &Ports,
    client: &Client,
    (token, family): (&RefreshToken, Option<Family>),
    origin: &Origin,
) -> Result<(), Failure> {
    let id = GrantId::new(token.family.as_str());
    let owner = match family {
        Some(family) => family.grant.client,
        None => match ports.store.reader().grant(&id).await? {
            Some(record) if record.revoked_at.is_none() => record.grant.client,
            _ => return Ok(()),
        },
    };
    if owner != client.id {
        return Err(foreign_token().into());
    }
    let why = (EventKind::GrantRevoked, about_grant(client.id.clone(), &id));
    end_grant(ports, &id, client, why, origin).await
}

async fn revoke_access_token(
    ports: &Ports,
    client: &Client,
    content: Option<Content>,
    opaque: Option<&str>,
) -> Result<(), Failure> {
    let Some(Content { claims, .. }) = content else {
        return Ok(());
    };
    if claims.client_id != client.id {
        return Err(foreign_token().into());
    }
    let mark = access::revocation(&claims.jti);
    // The state store first: what it says ends the token at once. The answer waits for SQL.
    if let Some(token) = opaque {
        ports.state.delete(&access::opaque_key(token)).await?;
    } else {
        let whole = claims.exp.since(claims.iat);
        let ttl = whole.max(claims.exp.since(ports.clock.now()));
        ports.state.put(&mark, b"1", ttl).await?;
    }
    let entry = Entry::Revoke {
        id: revocation_id(&mark),
        expires_at: claims.exp,
    };
    ports.ledger.append(entry).await?;
    Ok(())
}
