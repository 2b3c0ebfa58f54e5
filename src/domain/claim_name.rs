//! Names of claims that an operator may make up, and those that belong to somebody else
//! (RFC 7519 §4.1, OIDC Core §5.1).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bytes of a claim's name at most.
const MAX_NAME: usize = 128;
/// Parts of a path at most.
const MAX_PARTS: usize = 3;

/// Claims that protocols define, or that this provider writes itself. A made-up claim of such a name
/// would be taken for the real one.
const RESERVED: &[&str] = &[
    "account_version",
    "acr",
    "act",
    "active",
    "address",
    "amr",
    "at_hash",
    "at_jkt",
    "at_use_nbr",
    "aud",
    "auth_time",
    "azp",
    "authorization_details",
    "birthdate",
    "c_hash",
    "client_id",
    "cnf",
    "email",
    "email_verified",
    "entitlements",
    "epoch",
    "events",
    "exp",
    "family_name",
    "gender",
    "gid",
    "given_name",
    "groups",
    "htm",
    "htu",
    "iat",
    "iss",
    "jti",
    "jkt",
    "locale",
    "may_act",
    "middle_name",
    "name",
    "nbf",
    "nickname",
    "nonce",
    "permissions",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "roles",
    "s_hash",
    "scope",
    "sid",
    "sub",
    "sub_jwk",
    "token_type",
    "trust_framework",
    "updated_at",
    "userinfo_claims",
    "username",
    "verified_claims",
    "vot",
    "vtm",
    "website",
    "zoneinfo",
];

/// Why a text names no claim. Fit for an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimNameError {
    /// Nothing, or more than 128 bytes.
    #[error("must be 1 to 128 bytes long")]
    Length,
    /// Neither words nor an https address.
    #[error(
        "must be letters, digits and _ in at most three parts between dots, or begin with https://"
    )]
    Form,
    /// A claim that somebody else defines.
    #[error("is reserved")]
    Reserved,
}

/// Whether a claim of this name is defined elsewhere.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Checks the name of a user's direct claim: one word, and nobody else's.
pub fn check(name: &str) -> Result<(), ClaimNameError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(ClaimNameError::Length);
    }
    if !is_word(name) {
        return Err(ClaimNameError::Form);
    }
    if is_reserved(name) {
        return Err(ClaimNameError::Reserved);
    }
    Ok(())
}

/// Where a mapped claim stands: members within one another, or one that an address names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// Where Keycloak has the roles of a realm.
    pub fn realm_access_roles() -> Self {
        Self(vec!["realm_access".to_owned(), "roles".to_owned()])
    }

    /// The member of the token.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether one of the two would stand inside of the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| one == other)
    }

    /// Writes `value` there. Paths that overlap are refused before.
    pub fn put(&self, claims: &mut Map<String, Value>, value: Value) {
        let Some((last, around)) = self.0.split_last() else {
            return;
        };
        let mut place = claims;
        for name in around {
            let inner = place
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else {
                return;
            };
            place = inner;
        }
        place.insert(last.clone(), value);
    }
}

impl FromStr for ClaimPath {
    type Err = ClaimNameError;

    fn from_str(text: &str) -> Result<Self, ClaimNameError> {
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(ClaimNameError::Length);
        }
        if text.starts_with("https://") {
            let is_plain = text
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
            return if is_plain {
                Ok(Self(vec![text.to_owned()]))
            } else {
                Err(ClaimNameError::Form)
            };
        }
        let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        if parts.len() > MAX_PARTS || !parts.iter().all(|part| is_word(part)) {
            return Err(ClaimNameError::Form);
        }
        Ok(Self(parts))
    }
}

fn is_word(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) && text.bytes().all(is_inner)
}

impl TryFrom<String> for ClaimPath {
    type Error = ClaimNameError;

    fn try_from(text: String) -> Result<Self, ClaimNameError> {
        text.parse()
    }
}

impl From<ClaimPath> for String {
    fn from(path: ClaimPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_claim_cannot_pose_as_one_of_a_protocol() {
        for name in [
            "sub", "aud", "exp", "roles", "email", "gid", "scope", "cnf", "sid",
        ] {
            assert_eq!(check(name), Err(ClaimNameError::Reserved), "{name}");
        }
        for name in ["a.b", "1a", "_a", "a b", "ä", "a\"", "https://a.example/b"] {
            assert_eq!(check(name), Err(ClaimNameError::Form), "{name}");
        }
        assert_eq!(check(""), Err(ClaimNameError::Length));
        assert_eq!(check("department"), Ok(()));
    }

    #[test]
    fn every_claim_of_discovery_is_reserved() {
        for name in crate::protocol::userinfo::CLAIMS {
            assert!(is_reserved(name), "{name}");
        }
    }
}
