//! What a permission's name means.
//!
//! ```text
//! permission = name / pattern / "*"
//! name       = part                         ; billing
//! pattern    = type ":" action [":" id]     ; document:read, document:read:42, document:*
//! type       = part / "*"
//! action     = part / "*"
//! id         = 1*( scope-char ) / "*"       ; may have colons
//! part       = 1*( scope-char except ":" and "*" )
//! ```
//!
//! `scope-char` is the alphabet of RFC 6749 §3.3, because a permission is also what a client asks for as
//! a scope value. `*` stands for anything in its place and is no part of a longer text. A pattern
//! without an identifier means every resource of the type: `document:read` is `document:read:*`. `*`
//! alone is everything.
//!
//! One relation says it all: a permission *covers* another if it allows whatever the other allows.
//! Holding `document:read` answers a question about `document:read:42`, and never the other way round.
//! The *meet* of two permissions allows what both allow, and nothing more.
//!
//! Names from before this grammar, which do not fit it, cover themselves only.

use std::fmt;

/// Bytes of a permission at most.
pub const MAX_PERMISSION: usize = 256;

/// Why a text names no permission. Fit for an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    /// Nothing, or more than [`MAX_PERMISSION`] bytes.
    #[error("must be 1 to 256 bytes long")]
    Length,
    /// A character that no scope value has.
    #[error("must have printable ASCII only, without space, quote and backslash")]
    Character,
    /// A part that is empty, or `*` next to something else.
    #[error("must be a name, type:action or type:action:id, where * stands for a whole part")]
    Form,
}

/// A permission that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern<'a> {
    /// `*`
    Everything,
    /// A name without parts: itself and nothing else.
    Name(&'a str),
    /// `type:action[:id]`
    Action {
        /// On what kind of thing.
        kind: Part<'a>,
        /// What is done.
        action: Part<'a>,
        /// To which one of them.
        id: Part<'a>,
    },
}

/// What stands in one place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part<'a> {
    /// Anything.
    Any,
    /// This, byte by byte.
    Only(&'a str),
}

impl<'a> Pattern<'a> {
    /// Reads a permission.
    pub fn parse(text: &'a str) -> Result<Self, PermissionError> {
        if text.is_empty() || text.len() > MAX_PERMISSION {
            return Err(PermissionError::Length);
        }
        if !text.bytes().all(is_scope_byte) {
            return Err(PermissionError::Character);
        }
        if text == "*" {
            return Ok(Self::Everything);
        }
        let mut parts = text.splitn(3, ':');
        let (kind, action, id) = (parts.next(), parts.next(), parts.next());
        let kind = Part::parse(kind.unwrap_or_default())?;
        match (kind, action) {
            (Part::Only(name), None) => Ok(Self::Name(name)),
            (Part::Any, None) => Err(PermissionError::Form),
            (kind, Some(action)) => Ok(Self::Action {
                kind,
                action: Part::parse(action)?,
                id: id.map_or(Ok(Part::Any), Part::parse)?,
            }),
        }
    }

    /// Whether this allows whatever `other` allows.
    pub fn covers(self, other: Self) -> bool {
        self.meet(other) == Some(other)
    }

    /// What both allow; `None` if there is nothing.
    pub fn meet(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Everything, both) | (both, Self::Everything) => Some(both),
            (Self::Name(a), Self::Name(b)) => (a == b).then_some(self),
            (
                Self::Action { kind, action, id },
                Self::Action {
                    kind: other_kind,
                    action: other_action,
                    id: other_id,
                },
            ) => Some(Self::Action {
                kind: kind.meet(other_kind)?,
                action: action.meet(other_action)?,
                id: id.meet(other_id)?,
            }),
            (Self::Name(_), Self::Action { .. }) | (Self::Action { .. }, Self::Name(_)) => None,
        }
    }
}

impl<'a> Part<'a> {
    fn parse(text: &'a str) -> Result<Self, PermissionError> {
        match text {
            "*" => Ok(Self::Any),
            "" => Err(PermissionError::Form),
            text if text.contains('*') => Err(PermissionError::Form),
            text => Ok(Self::Only(text)),
        }
    }

    fn meet(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, both) | (both, Self::Any) => Some(both),
            (Self::Only(a), Self::Only(b)) => (a == b).then_some(self),
        }
    }
}

impl fmt::Display for Pattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Name(name) => f.write_str(name),
            Self::Action {
                kind,
                action,
                id: Part::Any,
            } => write!(f, "{kind}:{action}"),
            Self::Action { kind, action, id } => write!(f, "{kind}:{action}:{id}"),
        }
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Only(text) => text,
        })
    }
}

/// Whether holding `held` allows whatever `asked` names.
pub fn covers(held: &str, asked: &str) -> bool {
    if held == asked {
        return true;
    }
    match (Pattern::parse(held), Pattern::parse(asked)) {
        (Ok(held), Ok(asked)) => held.covers(asked),
        _ => false,
    }
}

/// What both allow, in its shortest form; `None` if there is nothing.
pub fn meet(one: &str, other: &str) -> Option<String> {
    if one == other {
        return Some(one.to_owned());
    }
    let met = Pattern::parse(one)
        .ok()?
        .meet(Pattern::parse(other).ok()?)?;
    Some(met.to_string())
}

fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_type_and_action_hold_at_every_resource_and_one_resource_only_there() {
        assert!(covers("document:read", "document:read"));
        assert!(covers("document:read", "document:read:42"));
        assert!(covers("document:read:42", "document:read:42"));
        assert!(!covers("document:read:42", "document:read:43"));
        assert!(!covers("document:read:42", "document:read"));
        assert!(!covers("document:read", "document:write"));
        assert!(!covers("document:read", "documents:read"));
        assert!(covers("document:read:*", "document:read"));
    }

    #[test]
    fn a_star_stands_for_one_whole_part() {
        assert!(covers("document:*", "document:read"));
        assert!(covers("document:*", "document:read:42"));
        assert!(covers("document:*:42", "document:read:42"));
        assert!(!covers("document:*:42", "document:read"));
        assert!(covers("*:read", "document:read:42"));
        assert!(!covers("*:read", "document:write"));
        assert!(!covers("document:*", "document"));
        assert!(!covers("document", "document:read"));
        for everything in ["billing", "document:read", "document:*:42", "*"] {
            assert!(covers("*", everything), "{everything}");
        }
        assert!(!covers("document:*", "*"));
    }

    #[test]
    fn an_identifier_may_have_colons() {
        assert!(covers("doc:read:urn:isbn:42", "doc:read:urn:isbn:42"));
        assert!(!covers("doc:read:urn", "doc:read:urn:isbn:42"));
        assert!(covers("doc:read", "doc:read:urn:isbn:42"));
    }

    #[test]
    fn what_does_not_fit_the_grammar_is_refused_and_covers_itself_only() {
        for text in [
            "", ":", "a:", ":b", "a::c", "a:b:", "a*", "*a:b", "a:b*", "a:b:4*", "**", "a b",
            "a\"", "a\\b", "ä", "a\n",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            Pattern::parse(&"a".repeat(257)),
            Err(PermissionError::Length)
        );
        assert!(covers("a*", "a*"));
        assert!(!covers("a*", "ab"));
        assert!(!covers("*", "a b"));
    }

    #[test]
    fn the_meet_allows_what_both_allow() {
        assert_eq!(meet("document:*", "*:read:42").unwrap(), "document:read:42");
        assert_eq!(
            meet("document:read", "document:read:42").unwrap(),
            "document:read:42"
        );
        assert_eq!(meet("*", "billing").unwrap(), "billing");
        assert_eq!(meet("document:read", "document:write"), None);
        assert_eq!(meet("document", "document:read"), None);
    }

    fn part() -> impl Strategy<Value = String> {
        prop_oneof![Just("*".to_owned()), "[ab]{1}"]
    }

    fn permission() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("*".to_owned()),
            "[ab]{1}",
            (part(), part()).prop_map(|(kind, action)| format!("{kind}:{action}")),
            (part(), part(), part()).prop_map(|(kind, action, id)| format!("{kind}:{action}:{id}")),
        ]
    }

    /// One thing that can be done: no star, an identifier always.
    fn deed() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{1}", "[ab]:[ab]:[ab]"]
    }

    proptest! {
        #[test]
        fn printing_and_reading_are_inverse(text in permission()) {
            let read = Pattern::parse(&text).unwrap();
            let printed = read.to_string();
            prop_assert_eq!(Pattern::parse(&printed).unwrap(), read);
        }

        #[test]
        fn covering_is_an_order(a in permission(), b in permission(), c in permission()) {
            prop_assert!(covers(&a, &a));
            if covers(&a, &b) && covers(&b, &c) {
                prop_assert!(covers(&a, &c), "{} {} {}", a, b, c);
            }
            if covers(&a, &b) && covers(&b, &a) {
                prop_assert_eq!(Pattern::parse(&a).unwrap(), Pattern::parse(&b).unwrap());
            }
        }

        #[test]
        fn whatever_the_covered_one_allows_the_covering_one_allows(a in permission(), b in permission(), deed in deed()) {
            if covers(&a, &b) && covers(&b, &deed) {
                prop_assert!(covers(&a, &deed));
            }
        }

        #[test]
        fn the_meet_allows_a_deed_exactly_if_both_do(a in permission(), b in permission(), deed in deed()) {
            let met = meet(&a, &b);
            let allowed = met.as_deref().is_some_and(|met| covers(met, &deed));
            prop_assert_eq!(allowed, covers(&a, &deed) && covers(&b, &deed));
            if let Some(met) = met {
                prop_assert!(covers(&a, &met) && covers(&b, &met));
            }
            prop_assert_eq!(meet(&a, &b), meet(&b, &a));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,300}") {
            let _ = Pattern::parse(&text);
        }
    }
}
