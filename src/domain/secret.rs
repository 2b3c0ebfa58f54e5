//! Secrets as they rest: digests that are compared in constant time.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The SHA-256 of a high-entropy secret (codes, client secrets, session ids), base64url without
/// padding. Useless to a thief; never use it for anything a person chose.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretDigest(String);

impl SecretDigest {
    /// The digest of `secret`.
    pub fn of(secret: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes())))
    }

    /// A digest as it was stored.
    pub fn stored(encoded: impl Into<String>) -> Self {
        Self(encoded.into())
    }

    /// Whether `secret` has this digest, in time independent of where they differ.
    pub fn matches(&self, secret: &str) -> bool {
        let presented = Self::of(secret);
        self.0.as_bytes().ct_eq(presented.0.as_bytes()).into()
    }

    /// The digest's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}
