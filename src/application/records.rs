//! Users, roles, groups, APIs and applications as lines of a file, in and out: what `import` reads and `export` writes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{
    client::Client,
    resource::ResourceServer,
    role::{Group, Role},
};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record {
    /// An API. Before the applications that may ask for it.
    Resource(ResourceServer),
    /// An application, with or without the digests of its secrets.
    Client(Box<Client>),
    /// A role. Before the groups and users that have it.
    Role(RoleRecord),
    /// A group. After the one around it, and before the users that are in it.
    Group(GroupRecord),
    /// A user.
    User(Box<UserRecord>),
}

impl Record {
    /// What it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resource(_) => "resource",
            Self::Client(_) => "client",
            Self::Role(_) => "role",
            Self::Group(_) => "group",
            Self::User(_) => "user",
        }
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRecord {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it allows.
    #[serde(default)]
    pub permissions: Vec<PermissionRecord>,
}

/// A permission of a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionRecord {
    /// Such as `document:read`.
    pub name: String,
    /// The API where it holds; everywhere where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRecord {
    /// Its name.
    pub name: String,
    /// Names of the roles that its members have.
    #[serde(default)]
    pub roles: BTreeSet<String>,
    /// The group around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

impl RoleRecord {
    /// A role as a line.
    pub fn of(role: &Role) -> Self {
        let permissions = role.permissions.iter().map(|held| PermissionRecord {
            name: held.name.clone(),
            resource: held.resource.clone(),
        });
        Self {
            name: role.name.clone(),
            description: role.description.clone(),
            permissions: permissions.collect(),
        }
    }
}

impl GroupRecord {
    /// A group as a line: with names where it has identifiers.
    pub fn of(group: &Group, groups: &[Group], roles: &[Role]) -> Self {
        Self {
            name: group.name.clone(),
            roles: group.role_names(roles),
            parent: group.parent_name(groups).map(str::to_owned),
        }
    }
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecord {
    /// The `sub`, a UUID; a new one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name to log in with.
    pub username: String,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether it is known to be the user's.
    #[serde(default)]
    pub email_verified: bool,
    /// Whether the account may be used.
    #[serde(default = "yes")]
    pub active: bool,
    /// Standard claims by name (OIDC Core §5.1).
    #[serde(default)]
    pub profile: BTreeMap<String, String>,
    /// A hash that [`can_verify`] knows.
    ///
    /// [`can_verify`]: super::ports::PasswordHasher::can_verify
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// Names of roles.
    #[serde(default)]
    pub roles: BTreeSet<String>,
    /// Names of groups.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Direct claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Value>,
    /// Unix seconds; now where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
}

fn yes() -> bool {
    true
}
