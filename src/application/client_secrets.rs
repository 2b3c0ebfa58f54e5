//! Secrets of clients that must be read again: MACs are made and verified with them (OIDC Core §10.1).

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{
    Ports,
    ports::{Place, Sealer},
    registrar::{Registrar, RegistrarError},
};
use crate::domain::{
    algorithm::MacAlgorithm,
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
    client: &Client,
    secret: &SecretString,
) -> Result<SealedSecret, RegistrarError> {
    let secret = secret.expose_secret().as_bytes();
    let sealer = sealer(registrar)?;
    Ok(SealedSecret(sealer.seal(&place(&client.id), secret)))
}

fn sealer(registrar: &Registrar) -> Result<Arc<dyn Sealer>, RegistrarError> {
    (registrar.sealer)()
        .map_err(|error| RegistrarError::invalid("secret", format!("it cannot be sealed: {error}")))
}

/// Refuses a client whose MACs need a secret that nobody can read, or a longer one (RFC 7518 §3.2).
pub(super) fn check(registrar: &Registrar, client: &Client) -> Result<(), RegistrarError> {
    let Some(least) = client.macs().map(MacAlgorithm::least_key).max() else {
        return Ok(());
    };
    let now = registrar.clock.now();
    let secrets = client.authentication.secrets().iter().rev();
    let newest = secrets
        .filter(|secret| secret.is_valid(now))
        .find_map(|secret| secret.sealed.as_ref());
    let problem = match newest {
        Some(sealed) => {
            let opened = sealer(registrar)?.open(&place(&client.id), &sealed.0);
            if opened.is_ok_and(|secret| secret.len() >= least) {
                return Ok(());
            }
            "is too short for the MAC (RFC 7518 section 3.2), or of another installation: rotate it"
        }
        None if client.authentication.method().has_secret() => {
            "a MAC needs a secret that can be read again: rotate it with --readable first"
        }
        None => "HS256, HS384 and HS512 are for clients with a secret",
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
