//! What a client registered about its request objects (OIDC Registration §2).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::algorithm::{Encryption, TokenAlgorithm};

/// How its authorization requests may come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestObjects {
    /// `request_uris`: the addresses where they may be, fragments included.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub uris: BTreeSet<String>,
    /// `request_object_signing_alg`; any signature that its keys have where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<TokenAlgorithm>,
    /// `request_object_encryption_alg`, `…_enc`: if they are encrypted, then so. Anything offered where
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}
