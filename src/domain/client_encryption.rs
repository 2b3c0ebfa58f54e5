//! What a client registered about the encryption of its tokens (OIDC Registration §2).

use serde::{Deserialize, Serialize};

use super::algorithm::Encryption;

/// How what is issued to a client is encrypted, to a key of that client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientEncryption {
    /// `id_token_encrypted_response_alg`, `…_enc`; not where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Encryption>,
    /// `userinfo_encrypted_response_alg`, `…_enc`; not where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo: Option<Encryption>,
}

impl ClientEncryption {
    /// Whether nothing is encrypted.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
