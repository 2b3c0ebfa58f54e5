//! Taking a signing key out of use at once, as after a leak: nothing that it signed is believed any more.

use serde_json::json;

use crate::{
    application::{
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{administration::Right, event::EventKind, key::ServerKey},
};

/// Removes the key for good. Every node hears of it with its next look at the directory; one that finds
/// nothing left to sign with makes the next key. A key that only comes to its end needs nothing of this:
/// it goes on verifying what it signed.
pub async fn retire_key(registrar: &Registrar, kid: &str) -> Result<ServerKey, RegistrarError> {
    registrar.may(Right::KeysWrite)?;
    let alone = registrar.alone().await?;
    let work = alone.work();
    let keys = work.signing_keys().await?;
    let key = keys.into_iter().find(|key| key.kid == kid);
    let key = key.ok_or_else(|| RegistrarError::NotFound("key", kid.to_owned()))?;
    work.delete_signing_key(kid).await?;
    let about = About {
        detail: Some(json!({ "kid": kid, "algorithm": key.algorithm })),
        ..About::default()
    };
    registrar
        .record_in(work, EventKind::KeyRetired, about)
        .await?;
    alone.commit().await?;
    Ok(key)
}
