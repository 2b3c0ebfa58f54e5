//! Beginning the rotation of the signing keys now, as after a leak that nobody is sure of.

use crate::{
    application::{
        Failure, Ports,
        queries::administration,
        registrar::{Registrar, RegistrarError},
    },
    domain::{administration::Right, key::ServerKey},
};

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Whoever is at work may not.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    /// The keys could not be made or stored.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Makes the next key of every algorithm. They are published at once and sign as soon as everybody can
/// know them. All keys there are afterwards.
pub async fn rotate_keys(
    ports: &Ports,
    registrar: &Registrar,
) -> Result<Vec<ServerKey>, RotateError> {
    registrar.may(Right::KeysWrite)?;
    registrar.may(Right::KeysRead)?;
    ports.signer.rotate().await.map_err(Failure::from)?;
    Ok(administration::keys(registrar).await?)
}
