//! RFC 6749 Appendix B and §3.1 — `application/x-www-form-urlencoded` parameters, read strictly.
//!
//! Supported: order, percent-decoding, `+` as space, values that are empty and therefore absent.
//! Refused: a parameter that comes twice (except `resource`, RFC 8707 §2), text that is not UTF-8,
//! control characters, values that are too long. Frameworks keep the last duplicate and turn broken
//! UTF-8 into U+FFFD, so none of them is asked.

use percent_encoding::percent_decode_str;

/// Parameters at most, over query and body together.
const MAX_PARAMS: usize = 128;
/// Bytes of a value at most, after decoding.
const MAX_VALUE: usize = 2048;
/// Bytes at most of a value that carries a JWT, or a sealed request of ours.
const MAX_JWT: usize = 16 * 1024;
/// Bytes of a name at most.
const MAX_NAME: usize = 128;
/// Parameters that may come more than once.
const REPEATABLE: &[&str] = &["resource"];

/// The parameters of one request, in the order sent.
#[derive(Clone, Debug, Default)]
pub struct Params {
    entries: Vec<(String, String)>,
    fault: Option<(String, Fault)>,
    faulty: Vec<String>,
}

/// What is wrong with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It comes more than once (RFC 6749 §3.1, §3.2).
    #[error("a parameter is included more than once")]
    Repeated,
    /// It is not UTF-8, its percent-encoding is broken, or it has control characters.
    #[error("a parameter is not valid UTF-8 text without control characters")]
    Encoding,
    /// It is longer than allowed.
    #[error("a parameter is too long")]
    TooLong,
    /// There are more parameters than allowed.
    #[error("there are too many parameters")]
    TooMany,
}

impl Params {
    /// Reads a query or a form body. Never fails: what is wrong is remembered per parameter,
    /// because some requests can still be answered by a redirect.
    pub fn parse(encoded: &[u8]) -> Self {
        let mut params = Self::default();
        params.extend(encoded);
        params
    }

    /// Reads more parameters, as of a body next to a query. A name that stands in both is repeated.
    pub fn extend(&mut self, encoded: &[u8]) {
        for pair in encoded
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            if self.entries.len() + self.faulty.len() >= MAX_PARAMS {
                self.note("", Fault::TooMany);
                return;
            }
            self.add(pair);
        }
    }

    fn add(&mut self, pair: &[u8]) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decode(halves.next().unwrap_or_default());
        let value = decode(halves.next().unwrap_or_default());
        let name = match name {
            Some(name) if name.len() <= MAX_NAME => name,
            Some(_) => return self.note("", Fault::TooLong),
            None => return self.note("", Fault::Encoding),
        };
        match value {
            None => self.note(&name, Fault::Encoding),
            Some(value) if value.len() > limit(&name) => self.note(&name, Fault::TooLong),
            Some(_) if self.is_known(&name) && !REPEATABLE.contains(&name.as_str()) => {
                self.note(&name, Fault::Repeated);
            }
            Some(value) => self.entries.push((name, value)),
        }
    }

    fn is_known(&self, name: &str) -> bool {
        self.entries.iter().any(|(known, _)| known == name)
            || self.faulty.iter().any(|known| known == name)
    }

    fn note(&mut self, name: &str, fault: Fault) {
        self.fault.get_or_insert_with(|| (name.to_owned(), fault));
        self.faulty.push(name.to_owned());
    }

    /// A value by itself, read as strictly as one of a form; `None` if it has a fault.
    pub fn value(encoded: &str) -> Option<String> {
        decode(encoded.as_bytes()).filter(|value| value.len() <= MAX_VALUE)
    }

    /// The first thing wrong with any parameter.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.as_ref().map(|(_, fault)| *fault)
    }

    /// The value of `name`; absent if not sent, empty, or faulty (see [`Self::is_faulty`]).
    pub fn get(&self, name: &str) -> Option<&str> {
        if self.is_faulty(name) {
            return None;
        }
        let entry = self.entries.iter().find(|(known, _)| known == name)?;
        Some(entry.1.as_str()).filter(|value| !value.is_empty())
    }

    /// Every parameter without a fault.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let sound = |(name, _): &&(String, String)| !self.is_faulty(name);
        let entries = self.entries.iter().filter(sound);
        entries.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether `name` was sent in a way that leaves its value open.
    pub fn is_faulty(&self, name: &str) -> bool {
        self.faulty.iter().any(|faulty| faulty == name)
    }

    /// Every value of a parameter that may repeat, without empty ones.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.entries
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty())
            .map(|(_, v)| v.as_str())
    }
}

fn limit(name: &str) -> usize {
    match name {
        "client_assertion" | "id_token_hint" | "interaction" | "request" | "token" => MAX_JWT,
        _ => MAX_VALUE,
    }
}

/// Decodes one name or value; `None` if it is not text without control characters.
fn decode(raw: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(raw).ok()?;
    let decoded = if text.contains(['%', '+']) {
        unescape(text)?
    } else {
        text.to_owned()
    };
    (!decoded.chars().any(char::is_control)).then_some(decoded)
}

fn unescape(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    if has_broken_escape(text.as_bytes()) {
        return None;
    }
    let decoded = percent_decode_str(&text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

fn has_broken_escape(text: &[u8]) -> bool {
    text.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .any(|(at, _)| {
            let digits = text.get(at + 1..at + 3);
            !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_decoded_and_empty_ones_are_absent() {
        let params = Params::parse(b"a=1+2%20%C3%A4&b=&c");
        assert_eq!(params.get("a"), Some("1 2 \u{e4}"));
        assert_eq!(params.get("b"), None);
        assert_eq!(params.get("c"), None);
        assert_eq!(params.fault(), None);
    }

    #[test]
    fn a_repeated_parameter_has_no_value_and_is_a_fault() {
        let params = Params::parse(b"a=1&b=2&a=1");
        assert_eq!(params.get("a"), None);
        assert!(params.is_faulty("a"));
        assert_eq!(params.get("b"), Some("2"));
        assert_eq!(params.fault(), Some(Fault::Repeated));
    }

    #[test]
    fn query_and_body_together_may_not_repeat_either() {
        let mut params = Params::parse(b"client_id=a");
        params.extend(b"client_id=b");
        assert!(params.is_faulty("client_id"));
    }

    #[test]
    fn only_resource_may_repeat() {
        let params = Params::parse(b"resource=a&resource=b");
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(params.fault(), None);
    }

    #[test]
    fn broken_text_is_a_fault() {
        for raw in [
            &b"a=%ff"[..],
            b"a=%0d%0a",
            b"a=%00",
            b"a=%4",
            b"a=%zz",
            b"a=\xff",
            b"a=%E2%80%8",
            b"%00=1",
        ] {
            assert_eq!(Params::parse(raw).fault(), Some(Fault::Encoding), "{raw:?}");
        }
    }

    #[test]
    fn long_values_and_floods_are_faults() {
        let long = format!("state={}", "x".repeat(2049));
        assert_eq!(Params::parse(long.as_bytes()).fault(), Some(Fault::TooLong));
        let fits = format!("state={}", "x".repeat(2048));
        assert_eq!(Params::parse(fits.as_bytes()).fault(), None);
        let flood = (0..200)
            .map(|n| format!("p{n}=1"))
            .collect::<Vec<_>>()
            .join("&");
        assert_eq!(
            Params::parse(flood.as_bytes()).fault(),
            Some(Fault::TooMany)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(raw in proptest::collection::vec(any::<u8>(), 0..400)) {
            let params = Params::parse(&raw);
            for (name, value) in &params.entries {
                prop_assert!(!value.chars().chain(name.chars()).any(char::is_control));
            }
        }
    }
}
