//! The key pairs of this server.

use std::fmt;

use super::{algorithm::KeyAlgorithm, time::Timestamp};

/// A key pair of this provider. The times alone say what it is for at any moment, so every node
/// computes the same answer.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey {
    /// `kid`
    pub kid: String,
    /// What it is for.
    pub algorithm: KeyAlgorithm,
    /// Counts the keys of one algorithm; (algorithm, generation) is unique.
    pub generation: i64,
    /// The private key, sealed under the key-encryption key.
    pub sealed_private: Vec<u8>,
    /// The public key as a JWK (RFC 7517).
    pub public_jwk: serde_json::Value,
    /// From when JWKS shows it.
    pub published_at: Timestamp,
    /// From when it signs, or others may encrypt to it.
    pub active_at: Timestamp,
    /// From when it only verifies, or decrypts.
    pub retires_at: Timestamp,
    /// From when it is gone.
    pub dead_at: Timestamp,
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
