//! Scope values: an ordered set of tokens with the grammar of RFC 6749 §3.3.
//!
//! `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`: printable ASCII without space, `"` and `\`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

/// The most values one scope may carry (security.md §2: limits).
pub const MAX_SCOPE_VALUES: usize = 64;

/// The scope values that mean something to every client.
pub const STANDARD_SCOPES: &str =
    "openid profile email address phone offline_access roles groups permissions";

/// A set of scope values, printed in sorted order so that equal scopes are equal strings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Scope(BTreeSet<String>);

/// Why a text is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A character outside the grammar of RFC 6749 §3.3.
    #[error("scope contains a character that RFC 6749 does not allow")]
    Character,
    /// More values than [`MAX_SCOPE_VALUES`].
    #[error("scope has too many values")]
    TooMany,
}

impl Scope {
    /// The scope without values.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `value` is one of the values.
    pub fn contains(&self, value: &str) -> bool {
        self.0.contains(value)
    }

    /// Whether every value is also in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The values in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The values in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The values except `value`.
    #[must_use]
    pub fn without(&self, value: &str) -> Self {
        Self(self.0.iter().filter(|v| *v != value).cloned().collect())
    }

    /// The values in sorted order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut values = BTreeSet::new();
        for value in text.split(' ').filter(|v| !v.is_empty()) {
            if !value.bytes().all(is_scope_byte) {
                return Err(ScopeError::Character);
            }
            values.insert(value.to_owned());
            if values.len() > MAX_SCOPE_VALUES {
                return Err(ScopeError::TooMany);
            }
        }
        Ok(Self(values))
    }
}

fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// As it is printed, without a copy: every code, family and token holds one.
impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_and_repetition_do_not_matter() {
        let one: Scope = "profile openid  profile".parse().unwrap();
        assert_eq!(one.to_string(), "openid profile");
    }

    #[test]
    fn quotes_backslashes_and_control_characters_are_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "ä"] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError::Character), "{text}");
        }
    }

    #[test]
    fn more_than_sixty_four_values_are_refused() {
        let text = (0..65)
            .map(|n| format!("s{n}"))
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(text.parse::<Scope>(), Err(ScopeError::TooMany));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(values in proptest::collection::btree_set("[!#-\\[\\]-~]{1,8}", 0..20)) {
            let scope = Scope(values);
            prop_assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }

        #[test]
        fn an_intersection_is_a_subset_of_both(a in "[a-e ]{0,20}", b in "[a-e ]{0,20}") {
            let (a, b): (Scope, Scope) = (a.parse().unwrap(), b.parse().unwrap());
            let both = a.intersection(&b);
            prop_assert!(both.is_subset(&a) && both.is_subset(&b));
        }
    }
}
