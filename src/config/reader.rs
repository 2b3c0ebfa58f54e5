//! Typed reading that notes every problem instead of stopping at the first.

use std::{
    collections::BTreeSet, fmt, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration,
};

use figment::value::Value;
use secrecy::SecretString;

use super::{KEYS, source::Found, values::parse_duration};
use crate::protocol::issuer::Issuer;

/// What is wrong with a configuration, all of it.
#[derive(Debug, Default)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

/// One thing that is wrong. Never repeats a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, with the place where it stands.
    pub key: String,
    /// What is the matter.
    pub problem: String,
    /// How to mend it.
    pub fix: String,
}

impl Problem {
    pub(super) fn new(key: &str, problem: &str, fix: &str) -> Self {
        Self {
            key: key.to_owned(),
            problem: problem.to_owned(),
            fix: fix.to_owned(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.key, self.problem, self.fix)
    }
}

/// Hands out settings by path.
pub(super) struct Reader {
    found: Found,
    read: BTreeSet<&'static str>,
}

impl Reader {
    pub(super) fn new(found: Found) -> Self {
        Self {
            found,
            read: BTreeSet::new(),
        }
    }

    /// Everything that was wrong, unknown keys included.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        let unknown: Vec<_> = self
            .found
            .values
            .iter()
            .filter(|(path, _)| KEYS.iter().all(|key| key.path != path.as_str()))
            .map(|(path, (_, origin))| {
                let key = format!("{path} ({origin})");
                Problem::new(&key, "is unknown", &suggestion(path))
            })
            .collect();
        self.found.problems.extend(unknown);
        if self.found.problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError {
                problems: self.found.problems,
            })
        }
    }

    /// Notes a problem; always `None`.
    pub(super) fn problem<T>(&mut self, path: &str, problem: &str, fix: &str) -> Option<T> {
        let key = match self.found.values.get(path) {
            Some((_, origin)) => format!("{path} ({origin})"),
            None => path.to_owned(),
        };
        self.found.problems.push(Problem::new(&key, problem, fix));
        None
    }

    /// What is set or the default.
    fn value(&mut self, path: &str) -> Option<Value> {
        let key = KEYS.iter().find(|key| key.path == path)?;
        self.read.insert(key.path);
        if let Some((value, _)) = self.found.values.get(path) {
            return Some(value.clone());
        }
        let table: toml::Table = format!("value = {}", key.default?).parse().ok()?;
        Value::serialize(table.get("value")?).ok()
    }

    pub(super) fn optional_text(&mut self, path: &str) -> Option<String> {
        if let Value::String(_, text) = self.value(path)? {
            return Some(text).filter(|text| !text.is_empty());
        }
        self.problem(path, "is not a text", "put it in quotes")
    }

    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        let before = self.found.problems.len();
        let text = self.optional_text(path);
        if text.is_none() && self.found.problems.len() == before {
            return self.problem(path, "is missing", "set it");
        }
        text
    }

    /// A text that `parse` understands; its error is the advice.
    pub(super) fn with<T>(
        &mut self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(path)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(fix) => self.problem(path, &format!("is {text:?}"), &fix),
        }
    }

    /// As [`Reader::with`], for what may be absent; `None` only if a problem was noted.
    #[allow(
        clippy::option_option,
        reason = "a noted problem is not an absent value"
    )]
    pub(super) fn optional<T>(
        &mut self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let before = self.found.problems.len();
        if self.optional_text(path).is_none() {
            return (self.found.problems.len() == before).then_some(None);
        }
        self.with(path, parse).map(Some)
    }

    pub(super) fn parsed<T: FromStr>(&mut self, path: &str, fix: &str) -> Option<T> {
        self.with(path, |text| text.parse().map_err(|_| fix.to_owned()))
    }

    pub(super) fn issuer(&mut self, path: &str) -> Option<Issuer> {
        let before = self.found.problems.len();
        let Some(text) = self.optional_text(path) else {
            if self.found.problems.len() > before {
                return None;
            }
            return self.problem(
                path,
                "is missing",
                "set it to the URL by which clients reach this server, such as https://login.example.com",
            );
        };
        match Issuer::parse(&text) {
            Ok(issuer) => Some(issuer),
            Err(error) => self.problem(path, &format!("is {text:?}"), &error.to_string()),
        }
    }

    /// A file or directory, if one is named.
    pub(super) fn path(&mut self, path: &str) -> Option<PathBuf> {
        self.optional_text(path).map(PathBuf::from)
    }

    pub(super) fn secret(&mut self, path: &str) -> Option<SecretString> {
        self.text(path).map(SecretString::from)
    }

    pub(super) fn optional_secret(&mut self, path: &str) -> Option<SecretString> {
        self.optional_text(path).map(SecretString::from)
    }

    pub(super) fn integer(&mut self, path: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let before = self.found.problems.len();
        let number = self.optional_integer(path, range);
        if number.is_none() && self.found.problems.len() == before {
            return self.problem(path, "is missing", "set it");
        }
        number
    }

    pub(super) fn optional_integer(
        &mut self,
        path: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = self.value(path)?;
        let number = value
            .to_u128()
            .and_then(|number| u64::try_from(number).ok());
        let number = number.or_else(|| value.to_i128().and_then(|n| u64::try_from(n).ok()));
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let fix = format!("write a number from {} to {}", range.start(), range.end());
            return self.problem(path, "is out of range", &fix);
        }
        number
    }

    pub(super) fn duration(&mut self, path: &str) -> Option<Duration> {
        let duration = self.duration_or_zero(path)?;
        if duration.is_zero() {
            return self.problem(path, "is zero", "write a longer duration");
        }
        Some(duration)
    }

    pub(super) fn duration_or_zero(&mut self, path: &str) -> Option<Duration> {
        self.with(path, |text| {
            parse_duration(text)
                .filter(|duration| *duration <= MOST)
                .ok_or_else(|| {
                    "write a duration such as \"90s\", \"10m\", \"8h\" or \"14d\"".to_owned()
                })
        })
    }

    /// A list whose entries `parse` understands; its error is the advice.
    pub(super) fn list<T>(
        &mut self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let Some(Value::Array(_, values)) = self.value(path) else {
            return self.problem(
                path,
                "is not a list",
                "write it in brackets: [\"…\", \"…\"]",
            );
        };
        let mut list = Vec::new();
        for value in values {
            let text = value.as_str().unwrap_or_default();
            match parse(text) {
                Ok(entry) => list.push(entry),
                Err(fix) => return self.problem(path, &format!("contains {text:?}"), &fix),
            }
        }
        Some(list)
    }

    /// The paths that were asked for.
    #[cfg(test)]
    pub(super) fn paths_read(&self) -> &BTreeSet<&'static str> {
        &self.read
    }
}

/// Nothing here lives longer than ten years.
const MOST: Duration = Duration::from_hours(24 * 3_660);

/// The advice for an unknown key.
fn suggestion(path: &str) -> String {
    let nearest = KEYS
        .iter()
        .map(|key| (strsim::damerau_levenshtein(path, key.path), key.path))
        .min();
    match nearest {
        Some((distance, nearest)) if distance <= nearest.len() / 2 => {
            format!("did you mean {nearest}?")
        }
        _ => "see countersign config reference".to_owned(),
    }
}
