//! Ports of the signing keys.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::key::SigningKey;

/// Signing keys, reading.
#[async_trait]
pub trait Keys {
    /// All keys, in any phase.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError>;
}

/// Signing keys, changing.
#[async_trait]
pub trait KeysMut {
    /// Adds a key; false, and nothing added, if (algorithm, generation) exists.
    async fn add_signing_key(&self, key: &SigningKey) -> Result<bool, StoreError>;

    /// Stores the four times of a key that exists.
    async fn set_signing_key_times(&self, key: &SigningKey) -> Result<(), StoreError>;

    /// Forgets a key.
    async fn delete_signing_key(&self, kid: &str) -> Result<(), StoreError>;
}
