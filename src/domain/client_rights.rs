//! What a client may ask of its users' rights, and in which claims it hears of them.
//!
//! **The rule.** A token carries what its client may ask *and* its user may do:
//!
//! - the client asks for the scope values that were granted, and for what it registered as
//!   [`ClientRights::permissions`] where `permissions` is among them;
//! - where it registered any, nothing outside of them is ever asked;
//! - of the user's permissions the token carries the meets with those, so that a user who holds
//!   `document:*` and a client that asks for `document:read` make `document:read`;
//! - roles and groups appear where the scopes `roles` and `groups` were granted, and of the roles those
//!   that fit [`ClientRights::roles`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    claim_name::{ClaimPath, is_reserved},
    permission,
    role::Authority,
    scope::Scope,
};

/// Mappers of one client at most.
pub const MAX_MAPPERS: usize = 32;
/// Patterns of one kind at most.
pub const MAX_PATTERNS: usize = 128;

/// Rights of a client besides scopes. The default is what every client had before there were any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientRights {
    /// Whether it may take names and passwords itself: the operator's own applications.
    pub first_party_login: FirstPartyLogin,
    /// The roles that its tokens may name: whole names, or beginnings with a `*` at the end. All of
    /// them where absent.
    pub roles: Option<BTreeSet<String>>,
    /// The permissions that its tokens may carry; see the module. Whatever the scope names where
    /// absent.
    pub permissions: Option<BTreeSet<String>>,
    /// Claims of its own shape.
    pub mappers: Vec<ClaimMapper>,
}

/// Whether a client may send names and passwords to the JSON login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstPartyLogin {
    /// It may not.
    #[default]
    Refused,
    /// It may.
    Allowed,
}

/// A claim made of something that is known of the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimMapper {
    /// The claim, such as `department` or `realm_access.roles`.
    pub name: ClaimPath,
    /// What it holds.
    pub source: ClaimSource,
    /// Where it appears; everywhere where absent.
    #[serde(rename = "in", default = "everywhere")]
    pub places: BTreeSet<Place>,
    /// The scope value that releases it. Absent, it is the source's own: `roles`, `groups` or
    /// `permissions`; a direct claim needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// What a mapped claim holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClaimSource {
    /// Names of roles that the token may name.
    Roles,
    /// Names of groups.
    Groups,
    /// Permissions that the token carries.
    Permissions,
    /// The user's direct claim of this name.
    Claim(String),
}

/// Where a claim can appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In access tokens, and in what introspection says of them.
    AccessToken,
    /// In ID tokens.
    IdToken,
    /// At the userinfo endpoint.
    Userinfo,
}

fn everywhere() -> BTreeSet<Place> {
    [Place::AccessToken, Place::IdToken, Place::Userinfo].into()
}

/// Why rights cannot be registered. Fit for an error message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RightsError {
    /// A claim that a protocol or a profile defines.
    #[error("the claim {0} is reserved")]
    Reserved(String),
    /// Two mappers write the same claim, or one inside of another's.
    #[error("the claim {0} is mapped twice")]
    Twice(String),
    /// It would appear nowhere.
    #[error("the claim {0} appears nowhere: name access_token, id_token or userinfo")]
    Nowhere(String),
    /// Not a pattern of permissions.
    #[error("the permission {0:?} {1}")]
    Permission(String, permission::PermissionError),
    /// Not a pattern of roles.
    #[error("the role {0:?} must be a name, or the beginning of one and a * at its end")]
    Role(String),
    /// More than [`MAX_MAPPERS`] or [`MAX_PATTERNS`].
    #[error("there are too many {0}")]
    TooMany(&'static str),
}

impl ClientRights {
    /// Every rule once.
    pub fn check(&self) -> Result<(), RightsError> {
        if self.mappers.len() > MAX_MAPPERS {
            return Err(RightsError::TooMany("claim mappers"));
        }
        let mut seen: Vec<&ClaimPath> = Vec::new();
        for mapper in &self.mappers {
            check_mapper(mapper, &seen)?;
            seen.push(&mapper.name);
        }
        let roles = self.roles.iter().flatten();
        for role in bounded(roles, "roles")? {
            let beginning = role.strip_suffix('*').unwrap_or(role);
            if role.is_empty() || beginning.contains('*') {
                return Err(RightsError::Role(role.clone()));
            }
        }
        let permissions = self.permissions.iter().flatten();
        for name in bounded(permissions, "permissions")? {
            permission::Pattern::parse(name)
                .map_err(|error| RightsError::Permission(name.clone(), error))?;
        }
        Ok(())
    }

    /// Whether it may take names and passwords itself.
    pub fn may_log_in(&self) -> bool {
        self.first_party_login == FirstPartyLogin::Allowed
    }

    /// What of `authority` a token for this scope and audience may say.
    pub fn release(&self, authority: &Authority, scope: &Scope, audience: &[String]) -> Release {
        Release {
            roles: self.named(&authority.roles),
            groups: authority.groups.clone(),
            // Most tokens are made without a look at permissions.
            permissions: if authority.permissions.is_empty() {
                BTreeSet::new()
            } else {
                authority.permitted(&self.asked(scope), audience)
            },
        }
    }

    /// The permissions that the client asks for with this scope.
    pub fn asked(&self, scope: &Scope) -> BTreeSet<String> {
        let Some(own) = &self.permissions else {
            return scope.iter().map(str::to_owned).collect();
        };
        let mut asked: BTreeSet<String> = scope
            .iter()
            .flat_map(|value| {
                own.iter()
                    .filter_map(move |own| permission::meet(own, value))
            })
            .collect();
        if scope.contains("permissions") {
            asked.extend(own.iter().cloned());
        }
        asked
    }

    /// The roles that its tokens may name.
    pub fn named(&self, roles: &BTreeSet<String>) -> BTreeSet<String> {
        let Some(patterns) = &self.roles else {
            return roles.clone();
        };
        let fits = |role: &&String| {
            patterns
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(beginning) => role.starts_with(beginning),
                    None => *role == pattern,
                })
        };
        roles.iter().filter(fits).cloned().collect()
    }

    /// The mapped claims for one place.
    pub fn mapped(
        &self,
        place: Place,
        scope: &Scope,
        (direct, release): (&BTreeMap<String, Value>, &Release),
    ) -> Map<String, Value> {
        let mut claims = Map::new();
        for mapper in &self.mappers {
            if !mapper.places.contains(&place) || !mapper.is_released(scope) {
                continue;
            }
            if let Some(value) = mapper.source.value(direct, release) {
                mapper.name.put(&mut claims, value);
            }
        }
        claims
    }
}

/// What a token may say of its user's rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Names of roles, where the scope `roles` was granted.
    pub roles: BTreeSet<String>,
    /// Names of groups, where the scope `groups` was granted.
    pub groups: BTreeSet<String>,
    /// Permissions.
    pub permissions: BTreeSet<String>,
}

impl ClaimMapper {
    /// Roles where Keycloak has those of a realm, for applications that come from there.
    pub fn keycloak() -> Self {
        Self {
            name: ClaimPath::realm_access_roles(),
            source: ClaimSource::Roles,
            places: everywhere(),
            scope: None,
        }
    }

    fn is_released(&self, scope: &Scope) -> bool {
        let own = match &self.source {
            ClaimSource::Roles => Some("roles"),
            ClaimSource::Groups => Some("groups"),
            ClaimSource::Permissions => Some("permissions"),
            ClaimSource::Claim(_) => None,
        };
        self.scope
            .as_deref()
            .or(own)
            .is_none_or(|value| scope.contains(value))
    }
}

impl ClaimSource {
    fn value(&self, direct: &BTreeMap<String, Value>, release: &Release) -> Option<Value> {
        let list = |names: &BTreeSet<String>| Some(names.iter().cloned().collect());
        match self {
            Self::Roles => list(&release.roles),
            Self::Groups => list(&release.groups),
            Self::Permissions => list(&release.permissions),
            Self::Claim(name) => direct.get(name).cloned(),
        }
    }
}

/// Reads `NAME=SOURCE[@PLACE,PLACE][?SCOPE]`, as the command line has it.
impl FromStr for ClaimMapper {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write NAME=SOURCE, such as realm_access.roles=roles@access_token,userinfo";
        let (name, rest) = text.split_once('=').ok_or(form)?;
        let (rest, scope) = match rest.split_once('?') {
            Some((rest, scope)) => (rest, Some(scope.to_owned())),
            None => (rest, None),
        };
        let (source, places) = match rest.split_once('@') {
            Some((source, places)) => (source, places.split(',').map(place).collect()),
            None => (rest, Ok(everywhere())),
        };
        Ok(Self {
            name: ClaimPath::from_str(name).map_err(|error| format!("{name}: {error}"))?,
            source: ClaimSource::try_from(source.to_owned())?,
            places: places?,
            scope,
        })
    }
}

fn place(text: &str) -> Result<Place, String> {
    match text {
        "access_token" => Ok(Place::AccessToken),
        "id_token" => Ok(Place::IdToken),
        "userinfo" => Ok(Place::Userinfo),
        other => Err(format!("{other} is not access_token, id_token or userinfo")),
    }
}

impl TryFrom<String> for ClaimSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "roles" => Ok(Self::Roles),
            "groups" => Ok(Self::Groups),
            "permissions" => Ok(Self::Permissions),
            other => match other.strip_prefix("claim:") {
                Some(name) if !name.is_empty() => Ok(Self::Claim(name.to_owned())),
                _ => Err("the source must be roles, groups, permissions or claim:NAME".to_owned()),
            },
        }
    }
}

impl From<ClaimSource> for String {
    fn from(source: ClaimSource) -> Self {
        source.to_string()
    }
}

impl fmt::Display for ClaimSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roles => f.write_str("roles"),
            Self::Groups => f.write_str("groups"),
            Self::Permissions => f.write_str("permissions"),
            Self::Claim(name) => write!(f, "claim:{name}"),
        }
    }
}

fn check_mapper(mapper: &ClaimMapper, before: &[&ClaimPath]) -> Result<(), RightsError> {
    let name = mapper.name.to_string();
    if is_reserved(mapper.name.first()) {
        return Err(RightsError::Reserved(name));
    }
    if mapper.places.is_empty() {
        return Err(RightsError::Nowhere(name));
    }
    if before.iter().any(|other| mapper.name.overlaps(other)) {
        return Err(RightsError::Twice(name));
    }
    Ok(())
}

fn bounded<'a>(
    values: impl Iterator<Item = &'a String> + Clone,
    what: &'static str,
) -> Result<impl Iterator<Item = &'a String>, RightsError> {
    if values.clone().count() > MAX_PATTERNS {
        return Err(RightsError::TooMany(what));
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
