//! Roles, permissions and groups: what a user may do, next to scopes, which are what a client may ask.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    id::{GroupId, RoleId},
    scope::Scope,
};

/// One thing that may be done, everywhere or at one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Permission {
    /// The name, with the grammar of a scope value, such as `reports:read`.
    pub name: String,
    /// The resource indicator (RFC 8707) where it holds; everywhere if absent.
    pub resource: Option<String>,
}

/// A named set of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Identifier.
    pub id: RoleId,
    /// Unique name, as it stands in the `roles` claim.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What the role allows.
    pub permissions: BTreeSet<Permission>,
}

/// A named set of users who share roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Identifier.
    pub id: GroupId,
    /// Unique name, as it stands in the `groups` claim.
    pub name: String,
    /// Roles that every member has.
    pub roles: BTreeSet<RoleId>,
}

/// All that a user is allowed through roles and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Names of roles, own and through groups.
    pub roles: BTreeSet<String>,
    /// Names of groups.
    pub groups: BTreeSet<String>,
    /// Permissions of all those roles.
    pub permissions: BTreeSet<Permission>,
}

impl Authority {
    /// Whether `permission` is held at `resource`.
    pub fn can(&self, permission: &str, resource: Option<&str>) -> bool {
        self.permissions.iter().any(|held| {
            held.name == permission
                && (held.resource.is_none() || held.resource.as_deref() == resource)
        })
    }

    /// The permissions that a token for `audience` carries: those the user holds there *and* the
    /// client was granted as scope.
    pub fn permitted<'a>(&'a self, scope: &Scope, audience: &[String]) -> BTreeSet<&'a str> {
        self.permissions
            .iter()
            .filter(|held| scope.contains(&held.name))
            .filter(|held| {
                held.resource
                    .as_ref()
                    .is_none_or(|resource| audience.contains(resource))
            })
            .map(|held| held.name.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn authority() -> Authority {
        let permission = |name: &str, resource: Option<&str>| Permission {
            name: name.into(),
            resource: resource.map(Into::into),
        };
        Authority {
            permissions: [
                permission("reports:read", None),
                permission("reports:write", Some("https://api.example")),
                permission("users:delete", None),
            ]
            .into(),
            ..Authority::default()
        }
    }

    #[test]
    fn a_permission_that_names_a_resource_holds_only_there() {
        let authority = authority();
        assert!(authority.can("reports:read", None));
        assert!(authority.can("reports:write", Some("https://api.example")));
        assert!(!authority.can("reports:write", Some("https://other.example")));
        assert!(!authority.can("reports:write", None));
        assert!(!authority.can("unknown", None));
    }

    #[test]
    fn a_token_carries_only_what_scope_and_user_both_allow() {
        let scope = "reports:read reports:write billing".parse().unwrap();
        let authority = authority();
        let here = authority.permitted(&scope, &["https://api.example".into()]);
        assert_eq!(
            here.into_iter().collect::<Vec<_>>(),
            ["reports:read", "reports:write"]
        );
        let elsewhere = authority.permitted(&scope, &["https://other.example".into()]);
        assert_eq!(elsewhere.into_iter().collect::<Vec<_>>(), ["reports:read"]);
    }
}
