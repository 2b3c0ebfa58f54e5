//! What an administrator may do: the permissions of the administration API.

use std::collections::BTreeSet;

use super::{
    client::{Client, GrantType},
    permission,
    role::Permission,
    scope::STANDARD_SCOPES,
};

macro_rules! rights {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal),+ $(,)?) => {
        /// One thing that the administration API lets its callers do, if they hold the permission of this
        /// name. What a comment says is also the reference.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Right {
            $($(#[doc = $doc])+ $variant),+
        }

        impl Right {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The permission, which is also the scope value.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// What it lets its holder do, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

rights! {
    /// Read accounts, and where they are signed in.
    UsersRead = "users:read",
    /// Make, change, lock, invite and remove accounts, set passwords, end sessions.
    UsersWrite = "users:write",
    /// Read roles, groups and permissions, and who has them.
    RolesRead = "roles:read",
    /// Define roles and groups, and give them to users.
    RolesWrite = "roles:write",
    /// Read applications and the APIs that they may ask for.
    ClientsRead = "clients:read",
    /// Register, change and remove applications and APIs, and give them new secrets.
    ClientsWrite = "clients:write",
    /// Read what users allowed to applications, and the grants that stand on it.
    ConsentsRead = "consents:read",
    /// Withdraw what users allowed, and revoke grants.
    ConsentsWrite = "consents:write",
    /// Read which keys sign.
    KeysRead = "keys:read",
    /// Rotate keys and retire them.
    KeysWrite = "keys:write",
    /// Read which messages wait or were given up.
    OutboxRead = "outbox:read",
    /// Let messages that were given up be tried again.
    OutboxWrite = "outbox:write",
    /// Read the audit trail.
    AuditRead = "audit:read",
    /// Read how often users log in.
    StatisticsRead = "statistics:read",
}

/// Whoever holds everything everywhere owns the provider: there is always one.
pub const EVERYTHING: &str = "*";

/// Whether somebody who holds `held` holds all that `other` allows.
pub fn holds<'a>(mut held: impl Iterator<Item = &'a Permission>, other: &Permission) -> bool {
    held.any(|held| {
        let is_there = held.resource.is_none() || held.resource == other.resource;
        is_there && permission::covers(&held.name, &other.name)
    })
}

/// The scope value, and permission, of those who may ask what others may do.
pub const MAY_CHECK: &str = "authorize:check";

/// What whoever decides over a client can reach through it, where `here` is the administration API: all that
/// it may be granted for itself; since an owner may sign in to it unasked, all that it may ask of its users
/// here; and answers about everybody.
pub fn powers(client: &Client, here: &str) -> BTreeSet<Permission> {
    let acts_for_itself = client.grant_types.contains(&GrantType::ClientCredentials);
    let is_powerless = |name: &String| STANDARD_SCOPES.split(' ').any(|known| known == name);
    let is_right = |name: &String| {
        let mut rights = Right::ALL.iter();
        rights.any(|right| permission::meet(name, right.as_str()).is_some())
    };
    let mut asked = client.rights.asked(&client.scope);
    asked.retain(|name| !is_powerless(name));
    let at = |name: &String, resource: Option<&str>| Permission {
        name: name.clone(),
        resource: resource.map(str::to_owned),
    };
    let mut powers = BTreeSet::new();
    if acts_for_itself && client.resources.is_empty() {
        powers.extend(asked.iter().map(|name| at(name, None)));
    } else if acts_for_itself {
        for resource in &client.resources {
            powers.extend(asked.iter().map(|name| at(name, Some(resource))));
        }
    } else if client.resources.contains(here) {
        let rights = asked.iter().filter(|name| is_right(name));
        powers.extend(rights.map(|name| at(name, Some(here))));
    }
    if client.scope.contains(MAY_CHECK) && !client.is_public() {
        powers.insert(at(&MAY_CHECK.to_owned(), None));
    }
    powers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client::sample;

    const HERE: &str = "https://id.example/api/admin";

    fn client(scope: &str, resources: &[&str], grant: GrantType) -> Client {
        Client {
            scope: scope.parse().unwrap_or_default(),
            resources: resources.iter().map(|it| (*it).to_owned()).collect(),
            grant_types: [grant].into(),
            ..sample()
        }
    }

    fn powers_of(client: &Client) -> Vec<(String, Option<String>)> {
        let powers = powers(client, HERE).into_iter();
        powers.map(|it| (it.name, it.resource)).collect()
    }

    #[test]
    fn a_client_that_acts_for_itself_has_the_power_of_its_scope_where_it_may_ask() {
        let api = "https://api.example";
        let service = client(
            "openid users:read *",
            &[HERE, api],
            GrantType::ClientCredentials,
        );
        let both = |name: &str| [api, HERE].map(|at| (name.to_owned(), Some(at.to_owned())));
        assert_eq!(
            powers_of(&service),
            [both("*"), both("users:read")].concat()
        );
        let nowhere = client("reports:read", &[], GrantType::ClientCredentials);
        assert_eq!(powers_of(&nowhere), [("reports:read".to_owned(), None)]);
    }

    #[test]
    fn a_client_with_users_has_the_power_of_what_it_may_ask_here() {
        let scope = "openid profile document:read users:* authorize:check";
        let web = client(scope, &[HERE], GrantType::AuthorizationCode);
        let here = Some(HERE.to_owned());
        let expected = [
            ("authorize:check".to_owned(), None),
            ("users:*".to_owned(), here),
        ];
        assert_eq!(powers_of(&web), expected);
        let elsewhere = client(
            "users:*",
            &["https://api.example"],
            GrantType::AuthorizationCode,
        );
        assert_eq!(powers_of(&elsewhere), []);
    }

    #[test]
    fn registered_permissions_are_powers_as_soon_as_the_scope_releases_them() {
        let mut service = client("permissions", &[HERE], GrantType::ClientCredentials);
        assert_eq!(powers_of(&service), []);
        service.rights.permissions = Some(["*".to_owned()].into());
        assert_eq!(
            powers_of(&service),
            [("*".to_owned(), Some(HERE.to_owned()))]
        );
    }

    fn permission(name: &str, resource: Option<&str>) -> Permission {
        Permission {
            name: name.into(),
            resource: resource.map(Into::into),
        }
    }

    #[test]
    fn every_right_is_a_permission_of_its_own() {
        for right in Right::ALL {
            assert!(permission::Pattern::parse(right.as_str()).is_ok());
            let same = Right::ALL.iter().filter(|o| o.as_str() == right.as_str());
            assert_eq!(same.count(), 1);
        }
    }

    #[test]
    fn what_holds_at_one_api_is_not_held_everywhere() {
        let here = permission("users:*", Some("https://id.example/api/admin"));
        let held = [here.clone()];
        let holds = |other: &Permission| holds(held.iter(), other);
        assert!(holds(&permission("users:read", here.resource.as_deref())));
        assert!(!holds(&permission("users:read", None)));
        assert!(!holds(&permission(
            "users:read",
            Some("https://api.example")
        )));
        assert!(!holds(&permission("*", here.resource.as_deref())));
    }

    #[test]
    fn an_owner_holds_everything() {
        let held = [permission(EVERYTHING, None)];
        for other in [
            permission("*", None),
            permission("a", Some("https://api.example")),
        ] {
            assert!(holds(held.iter(), &other));
        }
    }
}
