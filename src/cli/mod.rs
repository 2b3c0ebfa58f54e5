//! The command line: each verb in a file of its own. Results go to standard output, errors and
//! hints to standard error, and the exit code says what kind of error it was.

mod completion;
mod config;
mod output;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

pub use self::output::CliError;
use self::output::{Output, OutputFormat};
use crate::config::{Config, Sources};

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or the configuration is wrong
  3  there is no such thing
  4  it exists already
  5  a database, state store or port is not available: try again";

/// The arguments.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about = "An OAuth 2.x / OpenID Connect provider in one binary", after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// The configuration file [default: countersign.toml, if it exists]
    #[arg(long, global = true, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Global {
    fn sources(&self) -> Result<Sources, CliError> {
        Ok(Sources::of_process(self.config.as_deref())?)
    }

    fn load(&self) -> Result<Config, CliError> {
        Ok(Config::load(&self.sources()?)?)
    }

    fn output(&self) -> Output {
        Output::new(self.output)
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write, check and explain the configuration
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Print a completion script for a shell
    Completion(completion::Completion),
    /// Print the version
    Version,
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    match cli.verb {
        Verb::Config(verb) => config::run(&cli.global, verb),
        Verb::Completion(completion) => completion.run(),
        Verb::Version => {
            let version = env!("CARGO_PKG_VERSION");
            let json = serde_json::json!({ "version": version });
            cli.global.output().print(&json, version)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
