//! Runs plans of the official OpenID conformance suite, which the caller has started, against a
//! provider that it starts itself, and compares the results with those that are expected. See
//! README.md beside this crate.

mod expected;
mod record;
mod script;
mod suite;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use conformance::{
    catalog::{Run, runs},
    provider::{Place, Provider, ProviderError},
};
use tokio::time::Instant;
use url::Url;

use crate::{
    expected::Expectations,
    record::Record,
    suite::{Module, Outcome, Progress, Suite, SuiteError},
};

/// The module that wants the signing keys rotated before it starts.
const ROTATE_KEYS: &str = "oidcc-server-rotate-keys";

/// Runs plans, module after module, and prints a line for each.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Where the suite listens, such as <https://suite.test:8443>
    #[arg(long, env = "CONFORMANCE_SUITE")]
    suite: String,
    /// The provider's program
    #[arg(long, default_value = "target/release/countersign")]
    provider: PathBuf,
    /// The issuer that the provider is started as; its host must resolve to this machine
    #[arg(long, default_value = "https://op.test:9443")]
    issuer: Url,
    /// Tells the plans of several runners that share a suite apart
    #[arg(long, default_value = "countersign")]
    alias: String,
    /// This folder holds expected/ and results/
    #[arg(long, default_value = "conformance")]
    folder: PathBuf,
    /// The document with the table
    #[arg(long, default_value = "docs/conformance.md")]
    document: PathBuf,
    /// The folder for the providers' logs
    #[arg(long, default_value = "target/conformance")]
    logs: PathBuf,
    /// The suite's certificate (PEM), which the provider trusts when it reaches the suite
    #[arg(long, value_name = "FILE")]
    suite_certificate: Option<PathBuf>,
    /// Only modules whose name contains this; nothing is recorded then
    #[arg(long)]
    only: Option<String>,
    /// List the runs
    #[arg(long)]
    list: bool,
    /// Which runs; all where none is named
    runs: Vec<String>,
}

/// Why the run ended early.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("there is no run {0}; --list shows them")]
    Unknown(String),
    #[error("{0} cannot be read or written")]
    File(PathBuf, #[source] io::Error),
    #[error("{0} is not the JSON it should be")]
    Json(PathBuf, #[source] serde_json::Error),
    #[error(transparent)]
    Suite(#[from] SuiteError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run_all(&Arguments::parse()).await {
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
async fn run_all(arguments: &Arguments) -> Result<bool, RunError> {
    if arguments.list {
        for run in runs() {
            println!("{:40} {} {}", run.name, run.plan, run.variant());
        }
        return Ok(true);
    }
    let suite = Suite::new(&arguments.suite)?;
    let mut is_good = true;
    for run in &chosen(&arguments.runs)? {
        is_good &= Session::begin(arguments, &suite, run)
            .await?
            .finish()
            .await?;
    }
    if arguments.only.is_none() {
        record::publish(&arguments.folder.join("results"), &arguments.document)
            .map_err(|error| RunError::File(arguments.document.clone(), error))?;
    }
    Ok(is_good)
}

fn chosen(names: &[String]) -> Result<Vec<Run>, RunError> {
    let runs = runs();
    if names.is_empty() {
        return Ok(runs);
    }
    let find = |name: &String| {
        let run = runs.iter().find(|run| run.name == *name).cloned();
        run.ok_or_else(|| RunError::Unknown(name.clone()))
    };
    names.iter().map(find).collect()
}

/// One run with its provider.
struct Session<'a> {
    arguments: &'a Arguments,
    suite: &'a Suite,
    run: &'a Run,
    plan: suite::Plan,
    provider: Provider,
    expectations: Expectations,
}

impl<'a> Session<'a> {
    async fn begin(
        arguments: &'a Arguments,
        suite: &'a Suite,
        run: &'a Run,
    ) -> Result<Self, RunError> {
        let expectations = expectations(&arguments.folder, run)?;
        let place = Place {
            binary: arguments.provider.clone(),
            issuer: arguments.issuer.clone(),
            logs: arguments.logs.clone(),
            suite_certificate: arguments.suite_certificate.clone(),
            callback_base: suite.callback_base(&arguments.alias),
        };
        let (provider, fixture) = Provider::start(&place, run).await?;
        let config = script::configuration(&fixture, &arguments.alias);
        let plan = suite
            .create_plan(run.plan, &run.variants(), &config)
            .await?;
        println!(
            "\n{}: {} {} as plan {}",
            run.name,
            run.plan,
            run.variant(),
            plan.id
        );
        Ok(Self {
            arguments,
            suite,
            run,
            plan,
            provider,
            expectations,
        })
    }

    /// Runs every module. Whether all came out as expected.
    async fn finish(mut self) -> Result<bool, RunError> {
        let mut record = Record::new(self.run, self.suite.version().await?);
        let only = self.arguments.only.as_deref();
        let is_chosen = |module: &&Module| only.is_none_or(|only| module.name.contains(only));
        let count = self.plan.modules.len();
        let mut unexpected = 0_usize;
        for (at, module) in self.plan.modules.iter().filter(is_chosen).enumerate() {
            let began = Instant::now();
            let outcome = self.play(module).await?;
            let verdict = self.expectations.judge(&module.label, &outcome);
            print!(
                "[{:2}/{count}] {:4.0}s ",
                at + 1,
                began.elapsed().as_secs_f64()
            );
            report(&module.label, &outcome, verdict.as_deref());
            unexpected += usize::from(verdict.is_some());
            record.modules.insert(module.label.clone(), outcome.result);
        }
        drop(self.provider);
        if only.is_some() {
            return Ok(unexpected == 0);
        }
        let folder = self.arguments.folder.join("results");
        let saved = record.save(&folder, &self.run.name);
        saved.map_err(|error| RunError::File(folder, error))?;
        let stale: Vec<_> = self.expectations.unused().collect();
        for name in &stale {
            println!("expected, but did not run: {name}");
        }
        println!("{unexpected} unexpected, {} stale", stale.len());
        Ok(unexpected == 0 && stale.is_empty())
    }

    async fn play(&self, module: &Module) -> Result<Outcome, RunError> {
        let id = self.suite.create(&self.plan.id, module).await?;
        let mut is_waiting = module.name == ROTATE_KEYS;
        loop {
            let progress = self.suite.wait(&id, || is_waiting).await?;
            match progress {
                Progress::Ended(result) => return Ok(self.suite.outcome(&id, result).await?),
                Progress::Configured => {
                    is_waiting = false;
                    self.provider.rotate_keys().await?;
                    self.suite.start(&id).await?;
                }
            }
        }
    }
}

fn report(module: &str, outcome: &Outcome, verdict: Option<&str>) {
    let verdict = verdict.map(|v| format!("   <- {v}")).unwrap_or_default();
    println!("{:8} {module}{verdict}", outcome.result);
    for condition in &outcome.conditions {
        let suite::Condition {
            result,
            source,
            message,
        } = condition;
        println!("               {result} {source}: {message}");
    }
}

/// Results that are expected and why: those of every plan, and those of this one. Without the files,
/// only PASSED is.
fn expectations(folder: &Path, run: &Run) -> Result<Expectations, RunError> {
    let mut texts = Vec::new();
    for name in [run.plan, expected::EVERY_PLAN] {
        let path = folder.join("expected").join(format!("{name}.json"));
        match std::fs::read_to_string(&path) {
            Ok(text) => texts.push(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(RunError::File(path, error)),
        }
    }
    let parsed = Expectations::parse(&texts, &run.variants());
    parsed.map_err(|error| RunError::Json(folder.join("expected"), error))
}
