//! What a client that registered itself keeps of that (RFC 7591 §2, RFC 7592 §3).

use serde::{Deserialize, Serialize};

use super::secret::SecretDigest;

/// Of a client that was not made by an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfRegistration {
    /// `registration_access_token`, by which it reads and changes itself.
    pub token: SecretDigest,
    /// `contacts`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// `software_id`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// `software_version`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
}
