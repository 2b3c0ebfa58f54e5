//! Signing keys and their algorithms.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{client::UnknownName, time::Timestamp};

/// The signature algorithms offered (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// Every algorithm offered.
    pub const ALL: &'static [Self] = &[Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The JOSE name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SigningAlgorithm {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .iter()
            .copied()
            .find(|a| a.as_str() == text)
            .ok_or(UnknownName)
    }
}

/// A key pair of this provider. The times alone say what it is for at any moment, so every node
/// computes the same answer.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// `kid`
    pub kid: String,
    /// `alg`
    pub algorithm: SigningAlgorithm,
    /// Counts the keys of one algorithm; (algorithm, generation) is unique.
    pub generation: i64,
    /// The private key, sealed under the key-encryption key.
    pub sealed_private: Vec<u8>,
    /// The public key as a JWK (RFC 7517).
    pub public_jwk: serde_json::Value,
    /// From when JWKS shows it.
    pub published_at: Timestamp,
    /// From when it signs.
    pub active_at: Timestamp,
    /// From when it only verifies.
    pub retires_at: Timestamp,
    /// From when it is gone.
    pub dead_at: Timestamp,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
