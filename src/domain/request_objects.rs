//! What a client registered about its request objects (OIDC Registration §2).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::key::SigningAlgorithm;

/// How its authorization requests may come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestObjects {
    /// `request_uris`: the addresses where they may be, fragments included.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub uris: BTreeSet<String>,
    /// `request_object_signing_alg`; any that its keys have where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<SigningAlgorithm>,
}
