//! Results other than PASSED that are expected, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::suite::Outcome;

/// The file of what is expected of a module in whatever plan it is.
pub(crate) const EVERY_PLAN: &str = "every-plan";

/// Expected results of one run.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    known: Vec<Expectation>,
    /// Modules of the plan's own file that did not run yet.
    open: BTreeSet<String>,
}

/// One module's expected result.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    module: String,
    /// REVIEW, WARNING, SKIPPED or FAILED.
    result: String,
    /// Why that is right, or what is missing.
    reason: String,
    /// The variants that it is about; every one where absent.
    #[serde(default)]
    variant: BTreeMap<String, String>,
    /// The conditions that warn or fail, no more and no less; whichever where absent.
    #[serde(default)]
    conditions: Option<Vec<String>>,
}

impl Expectations {
    /// Those of a plan's own file, and then of the file of every plan, that are about these variants;
    /// what names more of them wins.
    pub(crate) fn parse(
        texts: &[String],
        variants: &BTreeMap<&str, &str>,
    ) -> Result<Self, serde_json::Error> {
        let mut expectations = Self::default();
        for (at, text) in texts.iter().enumerate() {
            let mut known: Vec<Expectation> = serde_json::from_str(text)?;
            known.retain(|expectation| {
                let mut wanted = expectation.variant.iter();
                wanted.all(|(name, value)| variants.get(name.as_str()) == Some(&value.as_str()))
            });
            known.sort_by_key(|expectation| std::cmp::Reverse(expectation.variant.len()));
            if at + 1 < texts.len() {
                let names = known.iter().map(|expectation| expectation.module.clone());
                expectations.open.extend(names);
            }
            expectations.known.extend(known);
        }
        Ok(expectations)
    }

    /// What is wrong with an outcome; `None` if it is as expected.
    pub(crate) fn judge(&mut self, module: &str, outcome: &Outcome) -> Option<String> {
        let conditions = match self.judge_result(module, &outcome.result) {
            Ok(conditions) => conditions,
            Err(problem) => return Some(problem),
        };
        let found = outcome.troubled();
        match conditions {
            Some(conditions) if conditions.iter().ne(found.iter()) => Some(format!(
                "expected these conditions: {}",
                conditions.join(", ")
            )),
            _ => None,
        }
    }

    /// The conditions that are expected with this result, or what is wrong with it.
    pub(crate) fn judge_result(
        &mut self,
        module: &str,
        result: &str,
    ) -> Result<Option<Vec<String>>, String> {
        // A module that runs once for each response type may be expected by its bare name.
        let bare = module.split_once(" (").map_or(module, |(name, _)| name);
        self.open.remove(module);
        self.open.remove(bare);
        let find = |name: &str| self.known.iter().find(|known| known.module == name);
        match find(module).or_else(|| find(bare)) {
            None if result == "PASSED" => Ok(None),
            None => Err("expected PASSED".to_owned()),
            Some(known) if known.result == result => Ok(known.conditions.clone()),
            Some(known) => Err(format!("expected {} ({})", known.result, known.reason)),
        }
    }

    /// Modules that were expected to differ from PASSED and did not run.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &str> {
        self.open.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::suite::Condition;

    fn outcome(result: &str, conditions: &[(&str, &str)]) -> Outcome {
        let conditions = conditions.iter().map(|(result, source)| Condition {
            result: (*result).into(),
            source: (*source).into(),
            message: String::new(),
        });
        Outcome {
            result: result.into(),
            conditions: conditions.collect(),
        }
    }

    fn expectations(variant: &str) -> Expectations {
        let text = r#"[
            {"module": "a", "result": "REVIEW", "reason": "a page"},
            {"module": "b", "result": "WARNING", "reason": "later", "conditions": ["Slow"]},
            {"module": "e", "result": "FAILED", "reason": "no", "variant": {"mode": "x"}},
            {"module": "e", "result": "SKIPPED", "reason": "none"}
        ]"#;
        let texts = [text.to_owned(), "[]".to_owned()];
        Expectations::parse(&texts, &[("mode", variant)].into()).unwrap()
    }

    #[test]
    fn unexpected_and_stale_results_are_both_found() {
        let mut expectations = expectations("x");
        assert_eq!(expectations.judge("a", &outcome("REVIEW", &[])), None);
        assert_eq!(expectations.judge("c", &outcome("PASSED", &[])), None);
        assert!(expectations.judge("d", &outcome("FAILED", &[])).is_some());
        assert!(expectations.judge("b", &outcome("PASSED", &[])).is_some());
        assert_eq!(expectations.unused().collect::<Vec<_>>(), ["e"]);
    }

    #[test]
    fn an_expectation_of_another_variant_counts_for_nothing() {
        let mut expectations = expectations("y");
        assert!(expectations.judge("e", &outcome("FAILED", &[])).is_some());
        assert!(expectations.unused().all(|module| module != "e"));
    }

    #[test]
    fn what_names_the_variant_wins() {
        let failed = outcome("FAILED", &[]);
        assert_eq!(expectations("x").judge("e", &failed), None);
        let skipped = outcome("SKIPPED", &[]);
        assert_eq!(expectations("y").judge("e", &skipped), None);
    }

    #[test]
    fn another_warning_than_the_expected_one_is_found() {
        let slow = outcome("WARNING", &[("WARNING", "Slow"), ("REVIEW", "Page")]);
        assert_eq!(expectations("x").judge("b", &slow), None);
        let more = outcome("WARNING", &[("WARNING", "Slow"), ("WARNING", "Odd")]);
        assert!(expectations("x").judge("b", &more).is_some());
    }
}
