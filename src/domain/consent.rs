//! Consent: what a user allows a client until they change their mind.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    id::{ClientId, UserId},
    scope::Scope,
    time::Timestamp,
};

/// The remembered answer of one user to one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who allowed.
    pub user: UserId,
    /// Whom.
    pub client: ClientId,
    /// Everything that was ever allowed and not withdrawn.
    pub scope: Scope,
    /// Every claim that was ever allowed by name (OIDC Core §5.5) and not withdrawn.
    pub claims: BTreeSet<String>,
    /// When it last grew.
    pub granted_at: Timestamp,
}
