//! What an administrator may do: the permissions of the administration API.

use super::{permission, role::Permission};

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

#[cfg(test)]
mod tests {
    use super::*;

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
