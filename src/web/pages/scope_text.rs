//! Scopes in plain words (OIDC Core sections 5.4 and 11, and our own), for the consent page.

use std::collections::BTreeSet;

use crate::{domain::scope::Scope, protocol::claims_request};

/// What a scope means to the person who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeText<'a> {
    /// A scope whose meaning this server defines.
    Known {
        /// What the application will be able to do, in a few words.
        title: &'static str,
        /// What that includes.
        explanation: &'static str,
    },
    /// A scope that an application or a resource server defines; shown as it is.
    Custom(&'a str),
}

/// The words for claims that were asked for by name and that `scope` does not include, each once.
pub fn claim_words<'a>(claims: impl Iterator<Item = &'a str>, scope: &Scope) -> Vec<&'a str> {
    let single: BTreeSet<&str> = claims
        .filter(|claim| !claims_request::is_allowed(claim, scope))
        .collect();
    single.into_iter().map(claim_word).collect()
}

/// The words for a single claim (OIDC Core section 5.1).
fn claim_word(claim: &str) -> &str {
    match claim {
        "name" => "your full name",
        "given_name" => "your first name",
        "family_name" => "your last name",
        "middle_name" => "your middle name",
        "nickname" => "your nickname",
        "preferred_username" => "your username",
        "profile" => "the address of your profile page",
        "picture" => "your picture",
        "website" => "your website",
        "gender" => "your gender",
        "birthdate" => "your date of birth",
        "zoneinfo" => "your time zone",
        "locale" => "your language",
        "updated_at" => "when your details last changed",
        "email" => "your email address",
        "email_verified" => "whether your email address has been confirmed",
        "phone_number" => "your phone number",
        "phone_number_verified" => "whether your phone number has been confirmed",
        "address" => "your postal address",
        "roles" => "your roles",
        "groups" => "your groups",
        "permissions" => "your permissions",
        other => other,
    }
}

impl<'a> ScopeText<'a> {
    /// The words for a scope token.
    pub fn of(scope: &'a str) -> Self {
        let (title, explanation) = match scope {
            "openid" => (
                "Know who you are",
                "A permanent identifier of your account on this server. No personal details.",
            ),
            "profile" => (
                "See your profile",
                "Your name, username, picture, language and similar details.",
            ),
            "email" => (
                "See your email address",
                "The address itself and whether it has been confirmed.",
            ),
            "address" => (
                "See your postal address",
                "Street, city, postal code and country, as far as you have given them.",
            ),
            "phone" => (
                "See your phone number",
                "The number itself and whether it has been confirmed.",
            ),
            "offline_access" => (
                "Keep access while you are away",
                "It stays connected after you close it, until you sign out of it or withdraw this access.",
            ),
            "roles" => (
                "See your roles",
                "The roles that you hold on this server, such as editor or administrator.",
            ),
            "groups" => (
                "See your groups",
                "The names of the groups that you belong to.",
            ),
            "permissions" => (
                "See your permissions",
                "What you are allowed to do in the applications of this server.",
            ),
            custom => return Self::Custom(custom),
        };
        Self::Known { title, explanation }
    }

    /// The words for several scopes, in the order of what they mean: who you are, what is known of
    /// you, what you may do, what others define, and lasting access at the end.
    pub fn by_meaning(scopes: impl Iterator<Item = &'a str>) -> Vec<Self> {
        let mut scopes: Vec<&str> = scopes.collect();
        scopes.sort_by_key(|scope| rank(scope));
        scopes.into_iter().map(Self::of).collect()
    }
}

fn rank(scope: &str) -> usize {
    const LAST: &str = "offline_access";
    const KNOWN: [&str; 8] = [
        "openid",
        "profile",
        "email",
        "phone",
        "address",
        "roles",
        "groups",
        "permissions",
    ];
    let known = KNOWN.iter().position(|known| *known == scope);
    known.unwrap_or(KNOWN.len() + usize::from(scope == LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_of_this_server_has_words() {
        let scopes = "openid profile email address phone offline_access roles groups permissions";
        for scope in scopes.split(' ') {
            assert!(
                matches!(ScopeText::of(scope), ScopeText::Known { .. }),
                "{scope}"
            );
        }
    }

    #[test]
    fn who_you_are_comes_first_and_lasting_access_last() {
        let asked = "address email library:borrow offline_access openid phone profile roles";
        let shown = ScopeText::by_meaning(asked.split(' '));
        let expected = "openid profile email phone address roles library:borrow offline_access";
        let expected: Vec<_> = expected.split(' ').map(ScopeText::of).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_unknown_scope_is_never_mistaken_for_a_known_one() {
        for scope in ["OpenID", "openid2", "read:mail", "email "] {
            assert_eq!(ScopeText::of(scope), ScopeText::Custom(scope));
        }
    }
}
