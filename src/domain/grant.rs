//! The grant: what was allowed, to whom, by whom. Codes, refresh families and access tokens all
//! carry it, so that adding a field touches one struct.

use serde::{Deserialize, Serialize};

use super::{
    claim_demand::GrantedClaims,
    id::{ClientId, GrantId, SessionId, UserId},
    scope::Scope,
    time::Timestamp,
};

/// What a client was allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Identifier; for a code grant derived from the code, so that a replay names it.
    pub id: GrantId,
    /// To whom.
    pub client: ClientId,
    /// By whom, and how they logged in; absent when the client acts for itself.
    pub owner: Option<ResourceOwner>,
    /// What.
    pub scope: Scope,
    /// Where (RFC 8707). Empty: at the default audience.
    pub resources: Vec<String>,
    /// Which claims by name, besides those of the scope (OIDC Core §5.5).
    #[serde(default, skip_serializing_if = "GrantedClaims::is_empty")]
    pub claims: GrantedClaims,
    /// When.
    pub granted_at: Timestamp,
}

/// The user who granted, and the authentication that it happened under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceOwner {
    /// The `sub`.
    pub subject: UserId,
    /// The login.
    pub authentication: Authentication,
    /// `nonce` of the authorization request, for the first ID token only.
    pub nonce: Option<String>,
}

/// One login (OIDC Core §2: `auth_time`, `acr`, `amr`; `sid` of the logout specifications).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// When the user proved who they are.
    pub time: Timestamp,
    /// The assurance that was reached.
    pub acr: String,
    /// The methods (RFC 8176).
    pub amr: Vec<String>,
    /// The session that began there.
    pub session: SessionId,
    /// The version of the account in which it happened: [`User::security_version`].
    ///
    /// [`User::security_version`]: super::user::User::security_version
    #[serde(default)]
    pub version: u64,
}

impl Grant {
    /// The same grant for less: the scope values and resources of a single token. The caller has
    /// checked that both are within the grant.
    #[must_use]
    pub fn narrow(&self, scope: &Scope, resources: Vec<String>) -> Self {
        Self {
            id: self.id.clone(),
            client: self.client.clone(),
            owner: self.owner.clone(),
            scope: scope.intersection(&self.scope),
            resources,
            claims: self.claims.clone(),
            granted_at: self.granted_at,
        }
    }

    /// The user, where there is one.
    pub fn subject(&self) -> Option<&UserId> {
        self.owner.as_ref().map(|owner| &owner.subject)
    }
}

/// A grant as SQL keeps it, with its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// The grant.
    pub grant: Grant,
    /// After this no token of it can be alive; the sweep may remove it.
    pub expires_at: Timestamp,
    /// Since when all its tokens are dead.
    pub revoked_at: Option<Timestamp>,
}
