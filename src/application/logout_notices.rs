//! Telling clients that a session has ended, by the outbox: the notices are written with the end itself
//! and posted after its commit, again and again until the client took them (OIDC Back-Channel
//! Logout §2.5).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    Ports,
    courier::Carriage,
    ports::{SendError, StoreError, UnitOfWork},
    protect::{Wanted, protect},
    trail,
};
use crate::{
    domain::{
        client::Client,
        event::{OutboxKind, OutboxMessage},
        id::{ClientId, SessionId, UserId},
    },
    protocol::logout_token::{self, LogoutToken},
};

/// Whom to tell of what. Where, and under which signature, is looked up when it is posted.
#[derive(Debug, Serialize, Deserialize)]
struct Notice {
    client: ClientId,
    user: UserId,
    session: SessionId,
}

/// Writes a notice for each of these clients that wants one.
pub(super) async fn enqueue(
    ports: &Ports,
    work: &dyn UnitOfWork,
    clients: &[std::sync::Arc<Client>],
    (user, session): (&UserId, &SessionId),
) -> Result<(), StoreError> {
    let now = ports.clock.now();
    for client in clients {
        if client.logout.backchannel_uri.is_none() {
            continue;
        }
        let notice = Notice {
            client: client.id.clone(),
            user: user.clone(),
            session: session.clone(),
        };
        let message = OutboxMessage {
            id: trail::ordered_id(&*ports.rng, now),
            kind: OutboxKind::Logout,
            payload: serde_json::to_value(&notice).unwrap_or_default(),
            due_at: now,
            attempts: 0,
        };
        work.enqueue(&message).await?;
    }
    Ok(())
}

/// Posts logout tokens.
pub struct LogoutCarriage;

#[async_trait]
impl Carriage for LogoutCarriage {
    fn kind(&self) -> OutboxKind {
        OutboxKind::Logout
    }

    async fn carry(&self, ports: &Ports, message: &OutboxMessage) -> Result<(), SendError> {
        let permanent = |error: &dyn std::error::Error| SendError::Permanent(error.to_string());
        let temporary = |error: &dyn std::error::Error| SendError::Temporary(error.to_string());
        let notice: Notice =
            serde_json::from_value(message.payload.clone()).map_err(|it| permanent(&it))?;
        let client = ports.store.reader().client(&notice.client).await;
        let client = client
            .map_err(|it| temporary(&it))?
            .filter(Client::is_active);
        let Some((client, uri)) = client.and_then(|client| {
            client
                .logout
                .backchannel_uri
                .clone()
                .map(|uri| (client, uri))
        }) else {
            // Whoever is gone, or does not want to know any more, has been told.
            return Ok(());
        };
        let token = LogoutToken::new(
            &ports.settings.issuer,
            &client.id,
            (&notice.user, &notice.session),
            // The same at each attempt, so that a client knows a notice that it took already.
            (message.id.clone(), ports.clock.now()),
        );
        let claims = serde_json::to_vec(&token).map_err(|it| permanent(&it))?;
        let content = (logout_token::TYP, claims.as_slice());
        let wanted = Wanted::of_logout_token(&client);
        let token = protect(ports, &client, content, wanted).await;
        let token = token.map_err(|it| temporary(&it))?;
        ports
            .outbound
            .post_form(&uri, &[("logout_token", &token)])
            .await
    }
}
