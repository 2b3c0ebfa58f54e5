//! Ending a login session: its grants and the codes on their way die with it (RP-Initiated Logout §2,
//! ASVS 7.4.1).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::end_grant::put_out_all;
use crate::{
    application::{
        Failure, Ports, client_secrets,
        directory::revocation_id,
        logout_notices,
        ports::{
            KeysOfClient,
            state::{Kind, StateKey},
        },
        trail::{About, Origin},
    },
    domain::{
        algorithm::TokenAlgorithm,
        client::Client,
        event::EventKind,
        id::{ClientId, SessionId, UserId},
        time::Timestamp,
    },
    protocol::{authentication::Login, id_token, logout::Hint},
};

/// Revokes whatever stands on this login, and has its clients told; which those are. The caller deletes
/// the browser's session.
pub async fn end_session(
    ports: &Ports,
    login: &Login,
    origin: &Origin,
) -> Result<Vec<Arc<Client>>, Failure> {
    let of = (&login.user, &login.authentication.session);
    end(ports, of, Until::CodesAreOver, origin).await
}

/// How long the state store has to remember that a session has ended.
pub(super) enum Until {
    /// Its browser has forgotten it; codes may be on their way.
    CodesAreOver,
    /// Its browser may come back until then.
    At(Timestamp),
}

impl Until {
    fn ttl(&self, ports: &Ports) -> Duration {
        let codes = ports.settings.lifetimes.code.saturating_mul(2);
        match self {
            Self::CodesAreOver => codes,
            Self::At(end) => codes.max(end.since(ports.clock.now())),
        }
    }
}

/// Revokes whatever stands on a session, and writes a notice for each client that wants one.
pub(super) async fn end(
    ports: &Ports,
    (user, session): (&UserId, &SessionId),
    until: Until,
    origin: &Origin,
) -> Result<Vec<Arc<Client>>, Failure> {
    let now = ports.clock.now();
    // First the marker, which stops codes that are not redeemed yet, then what was redeemed before.
    let mark = marker(session);
    ports.state.put(&mark, b"1", until.ttl(ports)).await?;
    let (_, sight) = ports.directory.look(&[]).await?;
    let work = ports.store.begin().await?;
    let revoked = work.revoke_grants_of_session(session, now).await?;
    // A state store that forgets the logout must not bring the browser's session back.
    let end = now.plus(ports.settings.lifetimes.longest_session());
    work.revoke_all(&[(revocation_id(&mark), end)]).await?;
    work.delete_session(session).await?;
    let detail = Some(serde_json::json!({ "grants": revoked.len() }));
    let about = About {
        user: Some(user.clone()),
        detail,
        ..About::default()
    };
    ports
        .record_in(&*work, EventKind::LoggedOut, origin, about)
        .await?;
    let mut clients = Vec::new();
    let ids: BTreeSet<&ClientId> = revoked.iter().map(|grant| &grant.client).collect();
    for id in ids {
        clients.extend(sight.client(id).await?);
    }
    logout_notices::enqueue(ports, &*work, &clients, (user, session)).await?;
    put_out_all(ports, &sight, &revoked).await?;
    work.commit().await?;
    Ok(clients)
}

/// The record that says that a session has ended, kept as long as its codes could live.
pub fn marker(session: &SessionId) -> StateKey {
    StateKey::new(Kind::RevokedToken, &format!("session\0{session}"))
}

/// The content of an ID token that we signed, expired or not (OIDC Core §3.1.2.1, RP-Initiated
/// Logout §2). `None` if it is not one of ours.
pub async fn read_hint(ports: &Ports, hint: &str) -> Option<Hint> {
    let claims = match ports.signer.verify(id_token::TYP, hint).await {
        Ok(claims) => claims,
        Err(_) => under_secret(ports, hint).await?,
    };
    let claims: id_token::IdToken = serde_json::from_value(claims.into()).ok()?;
    (claims.iss == ports.settings.issuer.as_str()).then_some(Hint {
        subject: claims.sub,
        client: claims.aud,
        session: Some(claims.sid),
    })
}

/// The claims of an ID token that we made with the secret of the client whom it is for.
async fn under_secret(ports: &Ports, hint: &str) -> Option<Map<String, Value>> {
    let id = id_token::claimed_audience(hint)?;
    let client = ports.store.reader().client(&id).await.ok().flatten()?;
    let algorithm @ TokenAlgorithm::Mac(_) = client.tokens.id_token_algorithm else {
        return None;
    };
    let secrets = client_secrets::readable(ports, &client);
    let keys = KeysOfClient::Secrets(&secrets);
    let verified = ports
        .signer
        .verify_own(id_token::TYP, hint, keys, algorithm);
    verified.ok()
}
