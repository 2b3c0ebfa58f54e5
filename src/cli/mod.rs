//! The command line: each verb in a file of its own. Results go to standard output, errors and
//! hints to standard error, and the exit code says what kind of error it was.

mod admin;
mod audit;
mod backup;
mod client;
mod completion;
mod config;
mod confirm;
mod decoded;
mod dev;
mod doctor;
mod explain;
mod export;
mod group;
mod healthcheck;
mod import;
mod keys;
mod migrate;
mod outbox;
mod output;
mod perform;
mod registrar;
mod remote;
mod resource;
mod role;
mod serve;
mod state;
mod token;
mod user;

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
  5  a database, state store or port is not available: try again
  130, 141  interrupted; the reader of the output went away

With --output json an error is {\"error\": {\"code\", \"exit_code\", \"message\", \"hint\"}} on standard
error.";

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
    /// The configuration file [default: countersign.toml, else what `dev` left in ./data]
    #[arg(long, global = true, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Global {
    fn sources(&self) -> Result<Sources, CliError> {
        Ok(Sources::of_process_or_dev(self.config.as_deref())?)
    }

    /// Without what `dev` left: nobody should go into production with demo accounts by accident.
    fn load_for_production(&self) -> Result<Config, CliError> {
        Ok(Config::load(&Sources::of_process(self.config.as_deref())?)?)
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
    Dev(dev::Dev),
    Serve(serve::Serve),
    /// Look at and change the database schema
    #[command(subcommand)]
    Migrate(migrate::MigrateVerb),
    /// Write, check and explain the configuration
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Make and change accounts
    #[command(subcommand)]
    User(user::UserVerb),
    /// Make roles and decide what they allow
    #[command(subcommand)]
    Role(role::RoleVerb),
    /// Make groups, nest them, and say who is in them
    #[command(subcommand)]
    Group(group::GroupVerb),
    /// Make the first administrator, or let one back in
    #[command(subcommand)]
    Admin(admin::AdminVerb),
    Import(import::Import),
    Export(export::Export),
    /// Register applications that ask for tokens
    #[command(subcommand)]
    Client(client::ClientVerb),
    /// Register the APIs that tokens are for
    #[command(subcommand)]
    Resource(resource::ResourceVerb),
    /// See what happened: who did what to whom, when and from where
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// See what mail waits, and try again what was given up
    #[command(subcommand)]
    Outbox(outbox::OutboxVerb),
    /// List, rotate and import signing keys
    #[command(subcommand)]
    Keys(keys::KeysVerb),
    /// Begin anew with the state of a node without Redis
    #[command(subcommand)]
    State(state::StateVerb),
    /// Copy all that a server keeps, and put it back
    #[command(subcommand)]
    Backup(backup::BackupVerb),
    /// Look at tokens, ask whether they count, and end them
    #[command(subcommand)]
    Token(token::TokenVerb),
    /// Get tokens as an application does, from any issuer
    #[command(subcommand)]
    Perform(perform::PerformVerb),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Healthcheck(healthcheck::Healthcheck),
    Completion(completion::Completion),
    /// Print the version
    Version,
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    let output = cli.global.output();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(CliError::failed(format!("cannot start: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.print_error(&error);
            error.exit_code()
        }
    }
}

/// What clap has to say: help and version on standard output, else a usage error, which is JSON too
/// where that was asked for.
fn misread(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os()
        .collect::<Vec<_>>()
        .windows(2)
        .any(|pair| matches!(pair, [name, value] if name == "--output" && value == "json"))
        || std::env::args_os().any(|argument| argument == "--output=json");
    if !error.use_stderr() || !wants_json {
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let error = CliError::usage(text.trim_end());
    Output::new(OutputFormat::Json).print_error(&error);
    error.exit_code()
}

async fn run(cli: Cli) -> Result<(), CliError> {
    let global = &cli.global;
    match cli.verb {
        Verb::Dev(dev) => Box::pin(dev.run(global)).await,
        Verb::Serve(serve) => serve.run(global).await,
        Verb::Migrate(verb) => migrate::run(global, verb).await,
        Verb::Config(verb) => config::run(global, verb),
        Verb::User(verb) => user::run(global, verb).await,
        Verb::Role(verb) => role::run(global, verb).await,
        Verb::Group(verb) => group::run(global, verb).await,
        Verb::Admin(verb) => admin::run(global, verb).await,
        Verb::Import(verb) => import::run(global, verb).await,
        Verb::Export(verb) => export::run(global, verb).await,
        Verb::Client(verb) => client::run(global, verb).await,
        Verb::Resource(verb) => resource::run(global, verb).await,
        Verb::Audit(verb) => audit::run(global, verb).await,
        Verb::Outbox(verb) => outbox::run(global, verb).await,
        Verb::Keys(verb) => keys::run(global, verb).await,
        Verb::State(verb) => state::run(global, &verb),
        Verb::Backup(verb) => backup::run(global, verb).await,
        Verb::Token(verb) => token::run(global, verb).await,
        Verb::Perform(verb) => perform::run(global, verb).await,
        Verb::Doctor(doctor) => doctor.run(global).await,
        Verb::Explain(explain) => explain.run(global).await,
        Verb::Healthcheck(check) => check.run(global).await,
        Verb::Completion(completion) => completion.run(),
        Verb::Version => {
            let version = env!("CARGO_PKG_VERSION");
            let json = serde_json::json!({ "version": version });
            global.output().print(&json, version)
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
