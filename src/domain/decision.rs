//! Whether somebody may do something, and why: [`can`] is pure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{client_rights::ClientRights, permission, role::Authority, scope::Scope};

/// Who wants to do something.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    /// A user, whatever application they use.
    User(&'a Authority),
    /// A user through an application: what both may.
    Token {
        /// What the user may do now.
        authority: &'a Authority,
        /// What the application may ask.
        rights: &'a ClientRights,
        /// What the token was granted.
        scope: &'a Scope,
        /// Where the token is good.
        audience: &'a [String],
    },
    /// An application by itself: what it was granted.
    Client {
        /// What it may ask.
        rights: &'a ClientRights,
        /// What the token was granted.
        scope: &'a Scope,
        /// Where the token is good.
        audience: &'a [String],
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// Why, or why not.
    pub reason: Reason,
}

/// Why, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// A permission of these roles allows it.
    Granted {
        /// The permission as the roles have it.
        permission: String,
        /// The API where it holds; everywhere if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        resource: Option<String>,
        /// The roles that have it.
        roles: BTreeSet<String>,
    },
    /// A scope value of the application's own token allows it.
    GrantedByScope {
        /// The value.
        scope: String,
    },
    /// No role of the user allows it.
    NoPermission,
    /// The user may, but the application was not granted it.
    BeyondToken,
    /// The token is not for that API.
    WrongAudience,
    /// The question names no permission: see the grammar.
    NoSuchPermission,
    /// There is no such user.
    UserUnknown,
    /// The account is locked.
    UserInactive,
    /// The token is unknown, dead, or none of the caller's business.
    TokenInactive,
}

impl From<Reason> for Decision {
    fn from(reason: Reason) -> Self {
        let allowed = match reason {
            Reason::Granted { .. } | Reason::GrantedByScope { .. } => true,
            Reason::NoPermission
            | Reason::BeyondToken
            | Reason::WrongAudience
            | Reason::NoSuchPermission
            | Reason::UserUnknown
            | Reason::UserInactive
            | Reason::TokenInactive => false,
        };
        Self { allowed, reason }
    }
}

impl Reason {
    /// Its code, as it is answered.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Granted { .. } => "granted",
            Self::GrantedByScope { .. } => "granted_by_scope",
            Self::NoPermission => "no_permission",
            Self::BeyondToken => "beyond_token",
            Self::WrongAudience => "wrong_audience",
            Self::NoSuchPermission => "no_such_permission",
            Self::UserUnknown => "user_unknown",
            Self::UserInactive => "user_inactive",
            Self::TokenInactive => "token_inactive",
        }
    }
}

/// Whether `actor` may do what `asked` names, at `resource`: the indicator of an API (RFC 8707).
pub fn can(actor: Actor<'_>, asked: &str, resource: Option<&str>) -> Decision {
    if permission::Pattern::parse(asked).is_err() {
        return Reason::NoSuchPermission.into();
    }
    match actor {
        Actor::User(authority) => granted(authority, asked, resource)
            .unwrap_or(Reason::NoPermission)
            .into(),
        Actor::Token {
            authority,
            rights,
            scope,
            audience,
        } => {
            if is_elsewhere(audience, resource) {
                return Reason::WrongAudience.into();
            }
            let places = places(audience, resource);
            let granted = places
                .iter()
                .find_map(|place| granted(authority, asked, *place));
            let here: Vec<String> = places.into_iter().flatten().map(str::to_owned).collect();
            let carried = rights.release(authority, scope, &here).permissions;
            match granted {
                None => Reason::NoPermission,
                Some(reason) if is_covered(&carried, asked).is_some() => reason,
                Some(_) => Reason::BeyondToken,
            }
            .into()
        }
        Actor::Client {
            rights,
            scope,
            audience,
        } => {
            if is_elsewhere(audience, resource) {
                return Reason::WrongAudience.into();
            }
            match is_covered(&rights.asked(scope), asked) {
                Some(value) => Reason::GrantedByScope {
                    scope: value.to_owned(),
                },
                None => Reason::BeyondToken,
            }
            .into()
        }
    }
}

fn granted(authority: &Authority, asked: &str, resource: Option<&str>) -> Option<Reason> {
    let (permission, roles) = authority.why(asked, resource)?;
    Some(Reason::Granted {
        permission: permission.name.clone(),
        resource: permission.resource.clone(),
        roles: roles.clone(),
    })
}

/// A question that names no API is about all of the token's.
fn places<'a>(audience: &'a [String], resource: Option<&'a str>) -> Vec<Option<&'a str>> {
    match resource {
        Some(resource) => vec![Some(resource)],
        None => std::iter::once(None)
            .chain(audience.iter().map(|place| Some(place.as_str())))
            .collect(),
    }
}

fn is_elsewhere(audience: &[String], resource: Option<&str>) -> bool {
    resource.is_some_and(|resource| !audience.iter().any(|place| place == resource))
}

fn is_covered<'a>(held: &'a BTreeSet<String>, asked: &str) -> Option<&'a str> {
    held.iter()
        .map(String::as_str)
        .find(|held| permission::covers(held, asked))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::role::Permission;

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
                permission("document:*", None, "editor"),
                permission("invoice:read", Some("https://api.example"), "clerk"),
            ]
            .into(),
            ..Authority::default()
        }
    }

    fn by_token(
        scope: &str,
        audience: &[&str],
        asked: &str,
        resource: Option<&str>,
    ) -> &'static str {
        let audience: Vec<String> = audience.iter().map(|a| (*a).to_owned()).collect();
        let actor = Actor::Token {
            authority: &authority(),
            rights: &ClientRights::default(),
            scope: &scope.parse().unwrap(),
            audience: &audience,
        };
        let decision = can(actor, asked, resource);
        assert_eq!(decision.allowed, decision.reason.code() == "granted");
        decision.reason.code()
    }

    #[test]
    fn a_users_answer_names_permission_and_roles() {
        let authority = authority();
        let decision = can(Actor::User(&authority), "document:read:42", None);
        assert_eq!(
            serde_json::to_value(decision).unwrap(),
            serde_json::json!({ "allowed": true, "reason": {
                "code": "granted", "permission": "document:*", "roles": ["editor"] } })
        );
        let code = |asked, resource| can(Actor::User(&authority), asked, resource).reason.code();
        assert_eq!(code("invoice:read", None), "no_permission");
        assert_eq!(code("invoice:read", Some("https://api.example")), "granted");
        assert_eq!(code("invoice:", None), "no_such_permission");
    }

    #[test]
    fn a_tokens_answer_is_what_user_and_client_both_may() {
        let api = "https://api.example";
        assert_eq!(
            by_token("document:read", &[], "document:read:42", None),
            "granted"
        );
        assert_eq!(
            by_token("document:read", &[], "document:write", None),
            "beyond_token"
        );
        assert_eq!(by_token("billing", &[], "billing", None), "no_permission");
        assert_eq!(
            by_token("invoice:read", &[api], "invoice:read", None),
            "granted"
        );
        assert_eq!(
            by_token("invoice:read", &[api], "invoice:read", Some(api)),
            "granted"
        );
        let other = Some("https://other.example");
        assert_eq!(
            by_token("invoice:read", &[api], "invoice:read", other),
            "wrong_audience"
        );
        assert_eq!(
            by_token("invoice:read", &[], "invoice:read", None),
            "no_permission"
        );
    }

    #[test]
    fn a_client_by_itself_may_what_it_was_granted() {
        let scope = "document:read".parse().unwrap();
        let actor = Actor::Client {
            rights: &ClientRights::default(),
            scope: &scope,
            audience: &[],
        };
        assert_eq!(
            can(actor, "document:read:1", None).reason.code(),
            "granted_by_scope"
        );
        assert_eq!(
            can(actor, "document:write", None).reason.code(),
            "beyond_token"
        );
    }
}
