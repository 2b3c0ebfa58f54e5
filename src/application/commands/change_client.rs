//! Changing a client: its secret and status, and its end.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use super::register_client::{Registered, new_secret};
use crate::{
    application::{
        client_secrets,
        ports::UnitOfWork,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        administration::Right,
        client::{Client, ClientSecret, ClientStatus},
        event::EventKind,
        id::ClientId,
        time::Timestamp,
    },
};

/// Gives a client a new secret. The present ones work for `overlap` yet, so that the client's
/// configuration can follow without an outage. A `readable` one is kept so that MACs can be made with it,
/// as is that of a client that needs it.
pub async fn rotate_client_secret(
    registrar: &Registrar,
    id: &ClientId,
    given: Option<&SecretString>,
    (overlap, readable): (Duration, bool),
) -> Result<Registered, RegistrarError> {
    let (mut stored, secret) = new_secret(registrar, given)?;
    let now = registrar.clock.now();
    let work = registrar.store.begin().await?;
    let mut client = take_client(registrar, &*work, id).await?;
    if client.needs_readable_secret() || readable {
        stored.sealed = Some(client_secrets::seal(registrar, &client, &secret)?);
    }
    let Some(secrets) = client.authentication.secrets_mut() else {
        let problem = format!("the client {id} has none");
        return Err(RegistrarError::invalid("secret", problem));
    };
    phase_out(secrets, now, overlap);
    secrets.push(stored);
    client_secrets::check(registrar, &client)?;
    client.updated_at = now;
    store(registrar, work, &client, "secret rotated").await?;
    Ok(Registered {
        client,
        secret: Some(secret),
    })
}

/// Secrets that are valid now end after `overlap`, if not sooner; the others are forgotten.
fn phase_out(secrets: &mut Vec<ClientSecret>, now: Timestamp, overlap: Duration) {
    let end = now.plus(overlap);
    for secret in secrets.iter_mut() {
        secret.expires_at = Some(secret.expires_at.map_or(end, |at| at.min(end)));
    }
    secrets.retain(|secret| secret.expires_at.is_some_and(|at| at > now));
}

/// Lets a client work or not. One that is disabled loses what it was issued.
pub async fn set_client_status(
    registrar: &Registrar,
    id: &ClientId,
    status: ClientStatus,
) -> Result<Client, RegistrarError> {
    let now = registrar.clock.now();
    let work = registrar.store.begin().await?;
    let mut client = take_client(registrar, &*work, id).await?;
    if client.status == status {
        return Ok(client);
    }
    client.status = status;
    client.updated_at = now;
    let change = match status {
        ClientStatus::Active => "enabled",
        ClientStatus::Inactive => {
            client.not_before = now;
            "disabled"
        }
    };
    store(registrar, work, &client, change).await?;
    Ok(client)
}

/// Removes a client with its grants and consents.
pub async fn delete_client(registrar: &Registrar, id: &ClientId) -> Result<(), RegistrarError> {
    let work = registrar.store.begin().await?;
    take_client(registrar, &*work, id).await?;
    work.delete_client(id).await?;
    let about = About {
        client: Some(id.clone()),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::ClientDeleted, about)
        .await?;
    work.commit().await?;
    Ok(())
}

async fn store(
    registrar: &Registrar,
    work: Box<dyn UnitOfWork>,
    client: &Client,
    change: &str,
) -> Result<(), RegistrarError> {
    work.update_client(client).await?;
    let about = About {
        client: Some(client.id.clone()),
        detail: Some(json!({ "change": change })),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::ClientChanged, about)
        .await?;
    work.commit().await?;
    Ok(())
}

/// The client, to be changed: held until the unit of work ends, in the expected version, and none through
/// which more can be reached than whoever is at work holds.
pub(super) async fn take_client(
    registrar: &Registrar,
    work: &dyn UnitOfWork,
    id: &ClientId,
) -> Result<Client, RegistrarError> {
    registrar.may(Right::ClientsWrite)?;
    let client = work.client(id).await?.ok_or_else(|| not_found(id))?;
    registrar.commands(work, &client).await?;
    registrar.expects(&client)?;
    Ok(client)
}

fn not_found(id: &ClientId) -> RegistrarError {
    RegistrarError::NotFound("client", id.as_str().to_owned())
}
