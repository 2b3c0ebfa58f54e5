//! Roles, permissions and groups: what a user may do, next to scopes, which are what a client may ask.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    id::{GroupId, RoleId},
    permission,
};

/// How many groups may stand within one another.
pub const MAX_NESTING: usize = 8;

/// One thing that may be done, everywhere or at one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Permission {
    /// The name, such as `reports:read`, `reports:read:42` or `reports:*`: see
    /// [`super::permission`].
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
    /// The group around it: whoever is in this one is in that one as well.
    #[serde(default)]
    pub parent: Option<GroupId>,
}

impl Group {
    /// It and the groups around it, outwards. Bounded, whatever is stored.
    pub fn outwards<'a>(&'a self, groups: &'a [Self]) -> impl Iterator<Item = &'a Self> {
        std::iter::successors(Some(self), |group| {
            let parent = group.parent.as_ref()?;
            groups.iter().find(|other| other.id == *parent)
        })
        .take(MAX_NESTING)
    }

    /// Names of its roles, in their order.
    pub fn role_names(&self, roles: &[Role]) -> BTreeSet<String> {
        let has = |role: &&Role| self.roles.contains(&role.id);
        let named = roles.iter().filter(has).map(|role| role.name.clone());
        named.collect()
    }

    /// The name of the group around it.
    pub fn parent_name<'a>(&'a self, groups: &'a [Self]) -> Option<&'a str> {
        self.outwards(groups)
            .nth(1)
            .map(|group| group.name.as_str())
    }
}

/// All that a user is allowed, through own roles and through groups and the groups around them, and
/// what is said of the user besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// Names of roles, own and through groups.
    pub roles: BTreeSet<String>,
    /// Names of groups.
    pub groups: BTreeSet<String>,
    /// Permissions, each with the names of the roles that have it.
    pub permissions: BTreeMap<Permission, BTreeSet<String>>,
    /// Direct claims, by name.
    pub claims: BTreeMap<String, Value>,
}

impl Authority {
    /// Whether `asked` may be done at `resource`.
    pub fn can(&self, asked: &str, resource: Option<&str>) -> bool {
        self.why(asked, resource).is_some()
    }

    /// The permission by which `asked` may be done at `resource`, and the roles that have it. The one
    /// that says the least where several do.
    pub fn why(
        &self,
        asked: &str,
        resource: Option<&str>,
    ) -> Option<(&Permission, &BTreeSet<String>)> {
        let granting = self.permissions.iter().filter(|(held, _)| {
            let is_here = held.resource.is_none() || held.resource.as_deref() == resource;
            is_here && permission::covers(&held.name, asked)
        });
        granting.reduce(|best, next| {
            if permission::covers(&best.0.name, &next.0.name) {
                next
            } else {
                best
            }
        })
    }

    /// The permissions that a token for `audience` carries, whose client asks for `asked`: what both
    /// allow.
    pub fn permitted(&self, asked: &BTreeSet<String>, audience: &[String]) -> BTreeSet<String> {
        self.permissions
            .keys()
            .filter(|held| {
                held.resource
                    .as_ref()
                    .is_none_or(|resource| audience.contains(resource))
            })
            .flat_map(|held| {
                asked
                    .iter()
                    .filter_map(move |asked| permission::meet(&held.name, asked))
            })
            .collect()
    }
}

/// Why a group cannot stand within another. Fit for an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NestingError {
    /// It would stand within itself.
    #[error("a group cannot stand within itself")]
    Cycle,
    /// More than [`MAX_NESTING`].
    #[error("groups may stand eight deep at most")]
    TooDeep,
}

/// Whether `group` may stand within `parent`, given all groups there are.
pub fn check_nesting(
    groups: &[Group],
    group: &GroupId,
    parent: &GroupId,
) -> Result<(), NestingError> {
    let around: BTreeMap<&GroupId, &GroupId> = groups
        .iter()
        .filter_map(|group| Some((&group.id, group.parent.as_ref()?)))
        .collect();
    // From a group outwards, itself first. Bounded, whatever is stored.
    let outwards = |from| {
        std::iter::successors(Some(from), |at| around.get(*at).copied()).take(MAX_NESTING + 1)
    };
    if outwards(parent).any(|at| at == group) {
        return Err(NestingError::Cycle);
    }
    let depth = outwards(parent).count();
    let within = groups.iter().filter_map(|other| {
        let steps = outwards(&other.id).position(|at| at == group)?;
        Some(steps + 1)
    });
    let height = within.max().unwrap_or(1);
    if depth + height > MAX_NESTING {
        return Err(NestingError::TooDeep);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    fn authority() -> Authority {
        let permission = |name: &str, resource: Option<&str>, role: &str| {
            let permission = Permission {
                name: name.into(),
                resource: resource.map(Into::into),
            };
            (permission, BTreeSet::from([role.to_owned()]))
        };
        Authority {
            permissions: [
                permission("reports:read", None, "reader"),
                permission("reports:write", Some("https://api.example"), "writer"),
                permission("users:delete", None, "admin"),
                permission("documents:*", None, "librarian"),
                permission("documents:read:42", None, "guest"),
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
    fn the_reason_is_the_narrowest_permission_and_its_roles() {
        let authority = authority();
        let why = |asked| {
            let (permission, roles) = authority.why(asked, None).unwrap();
            (permission.name.as_str(), roles.first().unwrap().as_str())
        };
        assert_eq!(why("documents:read:42"), ("documents:read:42", "guest"));
        assert_eq!(why("documents:read:43"), ("documents:*", "librarian"));
        assert_eq!(authority.why("documents", None), None);
    }

    #[test]
    fn a_token_carries_only_what_is_asked_and_held() {
        let asked = ["reports:read", "reports:write", "billing", "documents:read"];
        let asked = asked.map(str::to_owned).into();
        let permitted = |audience: &str| {
            let permitted = authority().permitted(&asked, &[audience.to_owned()]);
            permitted.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(
            permitted("https://api.example"),
            [
                "documents:read",
                "documents:read:42",
                "reports:read",
                "reports:write"
            ]
        );
        assert_eq!(
            permitted("https://other.example"),
            ["documents:read", "documents:read:42", "reports:read"]
        );
    }

    fn groups(parents: &[Option<usize>]) -> Vec<Group> {
        let id = |at: usize| GroupId::new(at.to_string());
        let group = |(at, parent): (usize, &Option<usize>)| Group {
            id: id(at),
            name: at.to_string(),
            roles: BTreeSet::new(),
            parent: parent.map(id),
        };
        parents.iter().enumerate().map(group).collect()
    }

    #[test]
    fn a_chain_of_nine_groups_is_refused() {
        let chain: Vec<_> = (0..8).map(|at| (at > 0).then(|| at - 1)).collect();
        let mut groups = groups(&chain);
        groups.extend(self::groups(&[None; 9]).pop());
        let (eighth, ninth) = (GroupId::new("7"), GroupId::new("8"));
        assert_eq!(
            check_nesting(&groups, &ninth, &eighth),
            Err(NestingError::TooDeep)
        );
        assert_eq!(check_nesting(&groups, &ninth, &GroupId::new("6")), Ok(()));
        let first = GroupId::new("0");
        assert_eq!(
            check_nesting(&groups, &first, &ninth),
            Err(NestingError::TooDeep)
        );
        assert_eq!(
            check_nesting(&groups, &first, &eighth),
            Err(NestingError::Cycle)
        );
        assert_eq!(
            check_nesting(&groups, &first, &first),
            Err(NestingError::Cycle)
        );
    }

    proptest! {
        /// However groups are nested one after the other, every chain ends within the bound.
        #[test]
        fn whatever_is_accepted_every_chain_ends(moves in proptest::collection::vec((0_usize..12, 0_usize..12), 0..60)) {
            let mut groups = groups(&[None; 12]);
            for (group, parent) in moves {
                let (id, parent) = (GroupId::new(group.to_string()), GroupId::new(parent.to_string()));
                if check_nesting(&groups, &id, &parent).is_ok() {
                    groups[group].parent = Some(parent);
                }
            }
            for group in &groups {
                let mut depth = 1;
                let mut at = group;
                while let Some(parent) = &at.parent {
                    depth += 1;
                    prop_assert!(depth <= MAX_NESTING);
                    at = groups.iter().find(|group| group.id == *parent).unwrap();
                }
            }
        }
    }
}
