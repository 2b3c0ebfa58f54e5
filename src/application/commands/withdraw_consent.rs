//! Withdrawing what a user allowed a client: its grants, and the codes on their way, die with it
//! (ASVS 10.7.3).

use super::end_grant::put_out_all;
use crate::{
    application::{
        Failure, Ports,
        ports::state::{Kind, StateKey},
        trail::{About, Origin},
    },
    domain::{
        event::EventKind,
        id::{ClientId, UserId},
    },
};

/// Forgets the consent and revokes whatever stands on it; false if there was none.
pub async fn withdraw_consent(
    ports: &Ports,
    user: &UserId,
    client: &ClientId,
    origin: &Origin,
) -> Result<bool, Failure> {
    // First the marker, which stops codes that are not redeemed yet, then what was redeemed before.
    let ttl = ports.settings.lifetimes.code.saturating_mul(2);
    ports.state.put(&marker(user, client), b"1", ttl).await?;
    let (_, sight) = ports.directory.look(&[]).await?;
    let work = ports.store.begin().await?;
    let withdrawn = work.delete_consent(user, client).await?;
    let revoked = work
        .revoke_grants_of(user, client, ports.clock.now())
        .await?;
    let about = About {
        user: Some(user.clone()),
        client: Some(client.clone()),
        detail: Some(serde_json::json!({ "grants": revoked.len() })),
        ..About::default()
    };
    ports
        .record_in(&*work, EventKind::ConsentWithdrawn, origin, about)
        .await?;
    put_out_all(ports, &sight, &revoked).await?;
    work.commit().await?;
    Ok(withdrawn)
}

/// The record that says that a consent was withdrawn, kept as long as codes under it could live. A
/// new consent removes it.
pub(super) fn marker(user: &UserId, client: &ClientId) -> StateKey {
    StateKey::new(Kind::RevokedToken, &format!("consent\0{user}\0{client}"))
}
