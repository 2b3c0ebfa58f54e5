//! Results other than PASSED that are expected, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::suite::Outcome;

/// Expected results by module.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Expectations {
    modules: BTreeMap<String, Expectation>,
    #[serde(skip)]
    met: BTreeSet<String>,
}

/// One module's expected result.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    /// REVIEW, WARNING, SKIPPED or FAILED.
    result: String,
    /// Why that is right, or what is missing.
    reason: String,
}

impl Expectations {
    /// What is wrong with an outcome; `None` if it is as expected.
    pub(crate) fn judge(&mut self, module: &str, outcome: &Outcome) -> Option<String> {
        let expectation = self.modules.get(module);
        let expected = expectation.map_or("PASSED", |expectation| &expectation.result);
        if outcome.result == expected {
            self.met.insert(module.to_owned());
            return None;
        }
        let reason = expectation
            .map(|expectation| format!(" ({})", expectation.reason))
            .unwrap_or_default();
        Some(format!("expected {expected}{reason}"))
    }

    /// Modules that were expected to differ from PASSED and did not, or did not run.
    pub(crate) fn unused(&self) -> Vec<String> {
        self.modules
            .keys()
            .filter(|module| !self.met.contains(*module))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn outcome(result: &str) -> Outcome {
        Outcome {
            result: result.into(),
            conditions: vec![],
        }
    }

    #[test]
    fn unexpected_and_stale_results_are_both_found() {
        let text = r#"{"a":{"result":"REVIEW","reason":"a page"},"b":{"result":"WARNING","reason":"later"}}"#;
        let mut expectations: Expectations = serde_json::from_str(text).unwrap();
        assert_eq!(expectations.judge("a", &outcome("REVIEW")), None);
        assert_eq!(expectations.judge("c", &outcome("PASSED")), None);
        assert!(expectations.judge("d", &outcome("FAILED")).is_some());
        assert!(expectations.judge("b", &outcome("PASSED")).is_some());
        assert_eq!(expectations.unused(), ["b"]);
    }
}
