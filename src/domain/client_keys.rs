//! Public keys of a client (RFC 7591 §2): by value, or where they are.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Client;

/// Keys besides those that the client authenticates with by value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientKeys {
    /// `jwks` of a client that authenticates otherwise: its request objects are signed with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// `jwks_uri`: where all its keys are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
}

/// Where the keys of a client are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource<'a> {
    /// Here.
    Set(&'a Value),
    /// At this address.
    Uri(&'a str),
}

impl Client {
    /// Where its keys are; nowhere if it has none.
    pub fn key_source(&self) -> Option<KeySource<'_>> {
        if let Some(uri) = &self.keys.jwks_uri {
            return Some(KeySource::Uri(uri));
        }
        let own = self.authentication.jwks();
        own.or(self.keys.jwks.as_ref()).map(KeySource::Set)
    }
}
