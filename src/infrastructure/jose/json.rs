//! JSON in which no object has a member twice (RFC 7515 §4, RFC 7519 §4): two readers that take
//! different ones of the two would understand different things.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// A text that is no JSON, or names a member twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON, or a member comes twice")]
pub struct NotUnique;

/// Reads JSON in which no object, at any depth, names a member twice.
pub fn parse_unique(text: &[u8]) -> Result<Value, NotUnique> {
    serde_json::from_slice::<Unique>(text)
        .map(|unique| unique.0)
        .map_err(|_| NotUnique)
}

/// As [`parse_unique`], where only an object will do.
pub(super) fn parse_object(text: &[u8]) -> Result<Map<String, Value>, NotUnique> {
    match parse_unique(text)? {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(NotUnique)
        }
    }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a number"))?;
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = map.next_entry::<String, Unique>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn c086_a_member_that_comes_twice_is_refused_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"b":{"a":1,"a":2}}]"#,
        ] {
            assert_eq!(parse_unique(text.as_bytes()), Err(NotUnique), "{text}");
        }
        assert!(parse_unique(br#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#).is_ok());
    }

    #[test]
    fn nesting_without_end_is_refused() {
        assert_eq!(parse_unique(&b"[".repeat(16_000)), Err(NotUnique));
    }

    #[test]
    fn only_an_object_is_an_object() {
        assert!(parse_object(b"{}").is_ok());
        for text in ["null", "true", "1", "\"a\"", "[]", "{} {}", ""] {
            assert_eq!(parse_object(text.as_bytes()), Err(NotUnique), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_names_nothing_twice_reads_as_ever(text in r#"[{]"a":(-?[0-9]{1,9}([.][0-9]{1,3})?|true|null|"[a-z]{0,5}"|\[1,[{][}]\])[}]"#) {
            let expected: Value = serde_json::from_str(&text).unwrap_or_default();
            prop_assert_eq!(parse_unique(text.as_bytes()).unwrap_or_default(), expected);
        }
    }
}
