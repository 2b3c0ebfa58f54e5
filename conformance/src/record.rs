//! What runs came to: a file for each, and the table of docs/conformance.md made of them all.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path};

use conformance::catalog::{Run, runs};
use serde::{Deserialize, Serialize};

/// Between these lines of the document stands the table.
const BEGIN: &str = "<!-- results: written by the runner from conformance/results -->\n";
const END: &str = "<!-- end of results -->\n";
/// The results in the order of the columns.
const COLUMNS: [&str; 6] = [
    "PASSED",
    "REVIEW",
    "WARNING",
    "SKIPPED",
    "FAILED",
    "INTERRUPTED",
];

/// What one run came to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The plan.
    pub(crate) plan: String,
    /// Its variants.
    pub(crate) variant: BTreeMap<String, String>,
    /// The suite's version and revision.
    pub(crate) suite: String,
    /// The day, as 2026-11-25.
    pub(crate) date: String,
    /// Results by module.
    pub(crate) modules: BTreeMap<String, String>,
}

impl Record {
    /// An empty one for a run that begins.
    pub(crate) fn new(run: &Run, suite: String) -> Self {
        let variants = run.variants();
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            plan: run.plan.to_owned(),
            variant: variants.into_iter().map(text).collect(),
            suite,
            date: today(),
            modules: BTreeMap::new(),
        }
    }

    /// Keeps it in the folder of results.
    pub(crate) fn save(&self, folder: &Path, name: &str) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let text = serde_json::to_string_pretty(self)?;
        fs::write(folder.join(format!("{name}.json")), text + "\n")
    }

    fn row(&self) -> String {
        let variant: Vec<&str> = self.variant.values().map(String::as_str).collect();
        let mut row = format!("| {} | {} |", self.plan, variant.join(", "));
        for column in COLUMNS {
            let count = self.modules.values().filter(|result| *result == column);
            let _ = write!(row, " {} |", count.count());
        }
        let _ = writeln!(row, " {} | {} |", self.suite, self.date);
        row
    }
}

/// The table of every run of which there is a record, in the order of the catalog.
pub(crate) fn table(folder: &Path) -> io::Result<String> {
    let mut table = String::from(
        "| Plan | Variant | Passed | Review | Warning | Skipped | Failed | Interrupted | Suite | Date |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for run in runs() {
        match fs::read_to_string(folder.join(format!("{}.json", run.name))) {
            Ok(text) => table.push_str(&serde_json::from_str::<Record>(&text)?.row()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(table)
}

/// Puts the table into the document.
pub(crate) fn publish(folder: &Path, document: &Path) -> io::Result<()> {
    let text = fs::read_to_string(document)?;
    fs::write(document, with_table(&text, &table(folder)?)?)
}

fn with_table(text: &str, table: &str) -> io::Result<String> {
    let halves = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let missing = || io::Error::other("the document has no place for the table");
    let (before, after) = halves.ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the day of the run, which nobody turns"
)]
fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn the_table_in_the_documentation_says_what_the_results_say() {
        let document = fs::read_to_string(root().join("../docs/conformance.md")).unwrap();
        let table = table(&root().join("results")).unwrap();
        assert_eq!(with_table(&document, &table).unwrap(), document);
    }

    #[test]
    fn every_recorded_result_is_as_expected() {
        for run in runs() {
            let file = root().join(format!("results/{}.json", run.name));
            let Ok(text) = fs::read_to_string(file) else {
                continue;
            };
            let record: Record = serde_json::from_str(&text).unwrap();
            let texts = [run.plan, crate::expected::EVERY_PLAN].map(|name| {
                let file = root().join(format!("expected/{name}.json"));
                fs::read_to_string(file).unwrap_or_else(|_| "[]".into())
            });
            let mut known = crate::expected::Expectations::parse(&texts, &run.variants()).unwrap();
            for (module, result) in &record.modules {
                let judged = known.judge_result(module, result);
                assert!(judged.is_ok(), "{}: {module}: {judged:?}", run.name);
            }
            assert_eq!(known.unused().count(), 0, "{}", run.name);
        }
    }
}
