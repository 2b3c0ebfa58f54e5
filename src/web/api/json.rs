//! Strict reading of JSON bodies (RFC 8259, RFC 7493 §2.3): said to be JSON, no member twice at any
//! depth, no member that is not known, no value repeated in an error.
//!
//! Whoever reads derives `Deserialize` with `deny_unknown_fields`; the rest is refused here.

use std::fmt;

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor},
};

use super::problem::{Kind, Problem};
use crate::web::context;

/// Arrays and objects within one another at most (security.md 171).
const MAX_DEPTH: usize = 16;
/// Characters of a member's name that an error repeats.
const MAX_NAME: usize = 64;

/// Reads a body of at most `limit` bytes.
pub fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
    limit: usize,
) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(Problem::new(Kind::UnsupportedMediaType));
    }
    if body.len() > limit {
        return Err(Problem::new(Kind::TooLarge));
    }
    parse(body)
}

/// Reads JSON whose origin is trusted to be JSON, such as a file.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    let mut outline = serde_json::Deserializer::from_slice(text);
    Outline::within(MAX_DEPTH)
        .walk(&mut outline)
        .and_then(|()| outline.end())
        .map_err(|error| malformed(&error))?;
    // An array would do for serde, member by member.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::new(Kind::InvalidMember).detail("the body must be an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = pointer(error.path());
        member(error.inner()).at(path)
    })
}

/// Whether the body says once that it is JSON, in UTF-8 where a charset is named (RFC 8259 §8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let Ok(Some(value)) = context::single(headers, &header::CONTENT_TYPE) else {
        return false;
    };
    let text = std::str::from_utf8(value).unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts
            .filter_map(|part| part.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .all(|(_, charset)| {
                charset
                    .trim()
                    .trim_matches('"')
                    .eq_ignore_ascii_case("utf-8")
            })
}

/// No JSON, nested too deep, or a member twice. The texts of a syntax error are fixed; ours as well.
fn malformed(error: &serde_json::Error) -> Problem {
    let place = format!("at line {}, column {}", error.line(), error.column());
    if error.is_data() {
        let text = error.to_string();
        let what = if text.starts_with(REPEATED) {
            REPEATED
        } else {
            DEEP
        };
        return Problem::new(Kind::InvalidMember).detail(format!("{what}, {place}"));
    }
    Problem::new(Kind::MalformedJson).detail(format!("unreadable {place}"))
}

/// What serde says names members, and for a wrong type also the value, which may be a secret.
fn member(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let names = ["unknown field `", "missing field `", "unknown variant `"];
    let known = names.iter().find_map(|start| {
        let name = text.strip_prefix(start)?.split('`').next()?;
        let what = start.trim_end_matches(" `");
        Some((what, name))
    });
    let detail = match known {
        Some(("unknown variant", _)) => "the value is none of those that are known".to_owned(),
        Some((what, name)) => {
            let name: String = name.chars().take(MAX_NAME).collect();
            format!("{} {name:?}", what.replace("field", "member"))
        }
        None => "the member has the wrong type or form".to_owned(),
    };
    Problem::new(Kind::InvalidMember).detail(detail)
}

/// The path as a JSON Pointer (RFC 6901 §3).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let text = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.chars().take(MAX_NAME).collect(),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&text.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

const REPEATED: &str = "a member comes twice";
const DEEP: &str = "the body is nested too deep";

/// Walks through JSON without keeping it: two readers that take different ones of two members of one
/// name would understand different things.
#[derive(Clone, Copy)]
struct Outline {
    left: usize,
}

impl Outline {
    fn within(left: usize) -> Self {
        Self { left }
    }

    fn walk<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom(DEEP))?;
        Ok(Self { left })
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Outline {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.walk(deserializer)
    }
}

impl<'de> Visitor<'de> for Outline {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while sequence.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut seen = std::collections::HashSet::new();
        while let Some(name) = members.next_key::<Name>()? {
            if !seen.insert(name.0) {
                return Err(A::Error::custom(REPEATED));
            }
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Name(String);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Login {
        username: String,
        #[serde(default)]
        more: Option<serde_json::Value>,
    }

    fn refused(text: &str) -> (Kind, String) {
        let problem = parse::<Login>(text.as_bytes()).unwrap_err();
        (problem.kind, format!("{problem:?}"))
    }

    #[test]
    fn unknown_missing_and_repeated_members_are_refused() {
        for text in [
            r#"{"username":"a","x":1}"#,
            "{}",
            r#"{"username":"a","username":"b"}"#,
            r#"{"username":"a","more":{"b":1,"b":2}}"#,
            r#"{"username":"a","more":[{"\u0062":1,"b":2}]}"#,
            r#"{"username":1}"#,
            r#"["a",null]"#,
            "null",
        ] {
            assert_eq!(refused(text).0, Kind::InvalidMember, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in [
            "",
            "{",
            "{} {}",
            "\u{feff}{}",
            "{'a':1}",
            "NaN",
            "\"\\ud800\"",
        ] {
            assert_eq!(refused(text).0, Kind::MalformedJson, "{text:?}");
        }
        assert_eq!(
            parse::<Login>(b"{\"username\":\"\xff\"}").unwrap_err().kind,
            Kind::MalformedJson
        );
    }

    #[test]
    fn c171_deep_nesting_is_refused() {
        let deep = format!(
            "{{\"username\":\"a\",\"more\":{}{}}}",
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(refused(&deep).0, Kind::InvalidMember);
        let enough = format!(
            "{{\"username\":\"a\",\"more\":{}{}}}",
            "[".repeat(15),
            "]".repeat(15)
        );
        assert!(parse::<Login>(enough.as_bytes()).is_ok());
    }

    #[test]
    fn c175_no_error_repeats_a_value() {
        for text in [
            r#"{"username":["canary"]}"#,
            r#"{"username":{"a":"canary"}}"#,
            r#"["canary"]"#,
            r#""canary""#,
        ] {
            let (_, shown) = refused(text);
            assert!(!shown.contains("canary"), "{shown}");
        }
    }

    #[test]
    fn a_body_says_once_that_it_is_json() {
        let is = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_static(value));
            }
            is_json(&headers)
        };
        assert!(is(&["application/json"]));
        assert!(is(&["Application/JSON; charset=\"UTF-8\""]));
        for values in [
            &[][..],
            &["text/plain"],
            &["application/json; charset=utf-16"],
            &["application/x-www-form-urlencoded"],
            &["application/json", "application/json"],
            &["application/jsonp"],
        ] {
            assert!(!is(values), "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse::<Login>(&bytes);
        }

        #[test]
        fn what_is_read_is_what_was_written(name in "\\PC{0,40}") {
            let text = serde_json::json!({ "username": name }).to_string();
            prop_assert_eq!(parse::<Login>(text.as_bytes()).unwrap().username, name);
        }
    }
}
