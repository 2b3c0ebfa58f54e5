//! Measures Countersign beside other providers. Machines are noisy: processor time per operation is
//! the figure, and whatever is compared is measured in one run, in turns.
#![expect(
    clippy::cast_precision_loss,
    reason = "counts and microseconds of a bench are far below 2^52"
)]

mod clock;
mod compare;
mod cpu;
mod endure;
mod error;
mod form;
mod grow;
mod http;
mod load;
mod measure;
mod peers;
mod pkce;
mod process;
mod profile;
mod report;
mod row;
mod scenario;
mod seed;
mod start;
mod stores;
mod target;
mod tokens;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const HELP: &str = "\
Begin with:
  cargo build --release                      the Countersign that is measured
  bench/peers/setup                          the others: node-oidc-provider, glewlwyd, Keycloak
  cargo run -p bench --release -- compare    everything in about 12 minutes

The server runs on the second processor; generator, PostgreSQL and Redis share the first. What counts
is processor time of all threads and processes of a provider for one successful operation, which the
kernel counts in nanoseconds; the clock swings with whatever else the machine does. Everything listens
on loopback, lives in a temporary folder, and ends with the program.";

/// Measures Countersign beside other providers
#[derive(Parser)]
#[command(version, about, after_help = HELP)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Measure scenarios, peer beside peer
    Compare(compare::Compare),
    /// Print the tables of rows that were measured before
    Report(compare::Report),
    /// Measure from start to ready, and memory at rest
    Start(start::Start),
    /// Measure with few and with many rows in the database
    Grow(grow::Grow),
    /// Watch memory over many operations, and the start after them
    Endure(endure::Endure),
    /// Show which functions a scenario spends its time in, by group
    Profile(profile::Profile),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Compare(arguments) => compare::run(&arguments).await,
        Verb::Report(arguments) => compare::report(&arguments),
        Verb::Start(arguments) => start::run(&arguments).await,
        Verb::Grow(arguments) => grow::run(&arguments).await,
        Verb::Endure(arguments) => endure::run(&arguments).await,
        Verb::Profile(arguments) => profile::run(&arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
