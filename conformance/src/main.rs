//! Runs a plan of the official OpenID conformance suite, which the caller has started, and compares
//! the results with those that are expected. See README.md beside this crate.

mod expected;
mod suite;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use serde_json::Value;

use crate::{
    expected::Expectations,
    suite::{Module, Outcome, Suite, SuiteError},
};

/// Runs one plan, module after module, and prints a line for each.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Where the suite listens, such as <https://suite.test:8443>
    #[arg(long, env = "CONFORMANCE_SUITE")]
    suite: String,
    /// The plan, such as oidcc-basic-certification-test-plan
    #[arg(long)]
    plan: String,
    /// A variant as name=value; may be repeated
    #[arg(long = "variant", value_parser = pair)]
    variants: Vec<(String, String)>,
    /// The plan's configuration; ${NAME} stands for the environment variable NAME
    #[arg(long)]
    config: PathBuf,
    /// Results that are expected and why; without it, only PASSED is
    #[arg(long)]
    expected: Option<PathBuf>,
    /// Only modules whose name contains this
    #[arg(long)]
    only: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Why the run ended early.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    #[error("{0} is not the JSON it should be")]
    Json(PathBuf, #[source] serde_json::Error),
    #[error("the configuration names ${{{0}}}, which is not in the environment")]
    Placeholder(String),
    #[error(transparent)]
    Suite(#[from] SuiteError),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut source = std::error::Error::source(&error);
            eprintln!("error: {error}");
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::from(2)
        }
    }
}

/// Whether everything came out as expected.
async fn run(arguments: Arguments) -> Result<bool, RunError> {
    let config = read_config(&arguments.config)?;
    let mut expectations = match &arguments.expected {
        Some(path) => parse(path, &read(path)?)?,
        None => Expectations::default(),
    };
    let suite = Suite::new(&arguments.suite)?;
    let variants: BTreeMap<String, String> = arguments.variants.into_iter().collect();
    let plan = suite
        .create_plan(&arguments.plan, &variants, &config)
        .await?;
    println!("{} as plan {}", arguments.plan, plan.id);
    let chosen = |module: &&Module| {
        arguments
            .only
            .as_ref()
            .is_none_or(|only| module.name.contains(only))
    };
    let mut unexpected = 0_usize;
    for module in plan.modules.iter().filter(chosen) {
        let outcome = suite.run_module(&plan.id, module).await?;
        let verdict = expectations.judge(&module.name, &outcome);
        report(module, &outcome, verdict.as_deref());
        unexpected += usize::from(verdict.is_some());
    }
    let stale = if arguments.only.is_none() {
        expectations.unused()
    } else {
        Vec::new()
    };
    for name in &stale {
        println!("expected, but did not happen: {name}");
    }
    println!("{unexpected} unexpected, {} stale", stale.len());
    Ok(unexpected == 0 && stale.is_empty())
}

fn report(module: &Module, outcome: &Outcome, verdict: Option<&str>) {
    println!(
        "{:8} {}{}",
        outcome.result,
        module.name,
        verdict.map(|v| format!("   <- {v}")).unwrap_or_default()
    );
    for condition in &outcome.conditions {
        println!("         {condition}");
    }
}

fn read(path: &Path) -> Result<String, RunError> {
    std::fs::read_to_string(path).map_err(|error| RunError::File(path.to_owned(), error))
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, RunError> {
    serde_json::from_str(text).map_err(|error| RunError::Json(path.to_owned(), error))
}

fn read_config(path: &Path) -> Result<Value, RunError> {
    let filled = fill(&read(path)?, |name| std::env::var(name).ok())?;
    parse(path, &filled)
}

/// Replaces every `${NAME}`. Values come from the environment, so that no secret is in a file.
fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, RunError> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, remaining) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        filled.push_str(&value(name).ok_or_else(|| RunError::Placeholder(name.to_owned()))?);
        rest = remaining;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn placeholders_are_filled_and_missing_ones_are_named() {
        let value = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(fill("x${A}y${A}", value).unwrap(), "x1y1");
        assert!(matches!(fill("${B}", value), Err(RunError::Placeholder(name)) if name == "B"));
    }
}
