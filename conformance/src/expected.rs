//! Results other than PASSED that are expected, each with its reason.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::suite::Outcome;

/// Expected results of one run.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    open: Vec<Expectation>,
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
    /// Those of a plan's file that are about these variants; what names more of them wins.
    pub(crate) fn parse(
        text: &str,
        variants: &BTreeMap<&str, &str>,
    ) -> Result<Self, serde_json::Error> {
        let mut open: Vec<Expectation> = serde_json::from_str(text)?;
        open.retain(|expectation| {
            let mut wanted = expectation.variant.iter();
            wanted.all(|(name, value)| variants.get(name.as_str()) == Some(&value.as_str()))
        });
        open.sort_by(|a, b| {
            let by_module = a.module.cmp(&b.module);
            by_module.then(b.variant.len().cmp(&a.variant.len()))
        });
        open.dedup_by(|next, kept| next.module == kept.module);
        Ok(Self { open })
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
        let at = self.open.iter().position(|known| known.module == module);
        match at.map(|at| self.open.swap_remove(at)) {
            None if result == "PASSED" => Ok(None),
            None => Err("expected PASSED".to_owned()),
            Some(known) if known.result == result => Ok(known.conditions),
            Some(known) => Err(format!("expected {} ({})", known.result, known.reason)),
        }
    }

    /// Modules that were expected to differ from PASSED and did not run.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &str> {
        self.open.iter().map(|known| known.module.as_str())
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
        Expectations::parse(text, &[("mode", variant)].into()).unwrap()
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
