//! Secrets of clients that must be read again: MACs are made and verified with them (OIDC Core §10.1).

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{
    Ports,
    ports::Place,
    registrar::{Registrar, RegistrarError},
};
use crate::domain::{
    client::{Client, SealedSecret},
    id::ClientId,
    time::Timestamp,
};

/// Where a client's secret rests. Moved to another client it does not open.
fn place(id: &ClientId) -> Place<'_> {
    Place {
        table: "clients",
        column: "secret",
        row: id.as_str(),
    }
}

/// Seals a secret of this client.
pub(super) fn seal(
    registrar: &Registrar,
    id: &ClientId,
    secret: &SecretString,
) -> Result<SealedSecret, RegistrarError> {
    let sealer = (registrar.sealer)().map_err(|error| {
        RegistrarError::invalid("secret", format!("it cannot be sealed: {error}"))
    })?;
    let secret = secret.expose_secret().as_bytes();
    Ok(SealedSecret(sealer.seal(&place(id), secret)))
}

/// Refuses a client that needs a secret which nobody can read.
pub(super) fn check(client: &Client, now: Timestamp) -> Result<(), RegistrarError> {
    if !client.needs_readable_secret() {
        return Ok(());
    }
    let problem = if has_readable(client, now) {
        return Ok(());
    } else if client.authentication.method().has_secret() {
        "a MAC needs a secret that can be read again: rotate it with --readable first"
    } else {
        "HS256, HS384 and HS512 are for clients with a secret"
    };
    Err(RegistrarError::invalid("secret", problem))
}

/// Whether one of its secrets is valid and can be read.
pub(super) fn has_readable(client: &Client, now: Timestamp) -> bool {
    let mut secrets = client.authentication.secrets().iter();
    secrets.any(|secret| secret.is_valid(now) && secret.sealed.is_some())
}

/// The secrets of a client that are valid and can be read, the newest first.
pub(super) fn readable(ports: &Ports, client: &Client) -> Vec<Zeroizing<Vec<u8>>> {
    let now = ports.clock.now();
    let secrets = client.authentication.secrets().iter().rev();
    let sealed = secrets
        .filter(|secret| secret.is_valid(now))
        .filter_map(|secret| secret.sealed.as_ref());
    let opened = sealed.filter_map(|sealed| {
        let opened = ports.sealer.open(&place(&client.id), &sealed.0);
        if opened.is_err() {
            tracing::error!(
                client = client.id.as_str(),
                "the client's secret does not open under this key-encryption key: rotate it"
            );
        }
        opened.ok()
    });
    opened.collect()
}
