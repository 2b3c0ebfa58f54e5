//! RFC 9068 — JWT Profile for OAuth 2.0 Access Tokens; the same content under an opaque reference.
//!
//! `aud` is the requested resources (RFC 8707), together with the issuer where `openid` lets the
//! token reach userinfo. Roles, groups and permissions appear where scope, client and user all allow.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::issuer::Issuer;
use crate::domain::{
    certificate::Confirmation,
    claim_demand::Demands,
    client_rights::Release,
    grant::Grant,
    id::{ClientId, GrantId},
    scope::Scope,
    time::Timestamp,
};

/// `typ` of the header (§2.1).
pub const TYP: &str = "at+jwt";

/// What an access token says, as the claims of §2.2 and the extra claim `gid`, which names the grant
/// so that userinfo and introspection can tell whether it still stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// The issuer identifier.
    pub iss: String,
    /// The user, or the client where it acts for itself.
    pub sub: String,
    /// Where the token is good.
    pub aud: BTreeSet<String>,
    /// When it dies.
    pub exp: Timestamp,
    /// When it was issued.
    pub iat: Timestamp,
    /// Its identifier.
    pub jti: String,
    /// The client it was issued to.
    pub client_id: ClientId,
    /// The grant that it stands on.
    pub gid: GrantId,
    /// What it allows.
    pub scope: Scope,
    /// When the user logged in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auth_time: Option<Timestamp>,
    /// How sure we were.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acr: Option<String>,
    /// By what methods.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub amr: Vec<String>,
    /// Private to this provider: the version of the account in which the user logged in.
    #[serde(skip_serializing_if = "is_first", default)]
    pub account_version: u64,
    /// Private to this provider: the epoch of the state store's memory in which it was made.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub epoch: String,
    /// Private to this provider: claims that the userinfo endpoint releases by name.
    #[serde(skip_serializing_if = "Demands::is_empty", default)]
    pub userinfo_claims: Demands,
    /// What its bearer must prove to have (RFC 8705 §3.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cnf: Option<Confirmation>,
    /// §2.2.3.1
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub roles: BTreeSet<String>,
    /// §2.2.3.1
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub groups: BTreeSet<String>,
    /// What the user may do and the client may ask.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub permissions: BTreeSet<String>,
    /// Claims that the client's mappers shaped. None has the name of one above.
    #[serde(flatten)]
    pub mapped: Map<String, Value>,
}

/// When and as what a token is issued.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// `jti`
    pub id: String,
    /// `iat`
    pub now: Timestamp,
    /// Until `exp`.
    pub lifetime: Duration,
    /// The epoch of the state store's memory.
    pub epoch: String,
    /// What it is bound to.
    pub cnf: Option<Confirmation>,
}

impl AccessToken {
    /// Whether the client acts for itself: nobody logged in.
    pub fn is_of_client_itself(&self) -> bool {
        self.auth_time.is_none() && self.sub == self.client_id.as_str()
    }

    /// The token of a grant that was narrowed to this request.
    pub fn new(
        grant: &Grant,
        release: &Release,
        mapped: Map<String, Value>,
        issuer: &Issuer,
        stamp: Stamp,
    ) -> Self {
        let aud = audience(grant, issuer);
        let named = |scope: &str, names: &BTreeSet<String>| {
            if grant.scope.contains(scope) {
                names.clone()
            } else {
                BTreeSet::new()
            }
        };
        let authentication = grant.owner.as_ref().map(|owner| &owner.authentication);
        Self {
            iss: issuer.as_str().to_owned(),
            sub: grant
                .subject()
                .map_or(grant.client.as_str(), |user| user.as_str())
                .to_owned(),
            cnf: stamp.cnf,
            exp: stamp.now.plus(stamp.lifetime),
            iat: stamp.now,
            jti: stamp.id,
            client_id: grant.client.clone(),
            gid: grant.id.clone(),
            scope: grant.scope.clone(),
            auth_time: authentication.map(|a| a.time),
            acr: authentication.map(|a| a.acr.clone()),
            amr: authentication.map(|a| a.amr.clone()).unwrap_or_default(),
            epoch: stamp.epoch,
            account_version: authentication.map_or(0, |a| a.version),
            userinfo_claims: grant.claims.userinfo.clone(),
            roles: named("roles", &release.roles),
            groups: named("groups", &release.groups),
            permissions: release.permissions.clone(),
            mapped,
            aud,
        }
    }

    /// Whether it is good at `audience` at this moment.
    pub fn is_good(&self, audience: &str, now: Timestamp) -> bool {
        now < self.exp && self.aud.contains(audience)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over references"
)]
fn is_first(version: &u64) -> bool {
    *version == 0
}

fn audience(grant: &Grant, issuer: &Issuer) -> BTreeSet<String> {
    let mut audience: BTreeSet<String> = grant.resources.iter().cloned().collect();
    if audience.is_empty() || grant.scope.contains("openid") {
        audience.insert(issuer.as_str().to_owned());
    }
    audience
}
