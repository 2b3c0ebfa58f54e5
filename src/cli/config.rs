//! `config`: write, check and explain the configuration.

mod check;

pub(super) use self::check::problems;

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global};
use crate::{cli::serve::NEEDS_MAIL, config, protocol::issuer::Issuer};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Write a commented file to begin with
    ///
    /// Asks for the issuer on a terminal.
    ///
    /// Example: countersign config init --issuer <https://login.example.com>
    Init {
        /// The URL by which clients will know this server [default: asked for on a terminal, else
        /// <http://localhost:8080>, for a first look on this machine]
        #[arg(long)]
        issuer: Option<String>,
        /// The file to write; it must not exist
        #[arg(long, default_value = "countersign.toml")]
        file: PathBuf,
    },
    /// Check the configuration and the files that it names, without starting or writing anything
    ///
    /// Example: countersign config validate --config /etc/countersign.toml
    Validate,
    /// Print what is in effect, without secrets
    Show,
    /// Print the reference of all settings (Markdown)
    Reference,
}

pub(super) fn run(global: &Global, verb: ConfigVerb) -> Result<(), CliError> {
    match verb {
        ConfigVerb::Init { issuer, file } => init(global, issuer, &file),
        ConfigVerb::Validate => validate(global),
        ConfigVerb::Show => show(global),
        ConfigVerb::Reference => {
            let reference = config::reference();
            let json = json!({ "reference": reference });
            global.output().print(&json, reference.trim_end())
        }
    }
}

/// What a first look needs no decision for.
const DEFAULT_ISSUER: &str = "http://localhost:8080";

/// What the operator types, else the default.
fn ask_issuer() -> Result<String, CliError> {
    let failed = |error| CliError::failed(format!("cannot ask for the issuer: {error}"));
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(DEFAULT_ISSUER.to_owned());
    }
    eprint!("The URL by which clients will know this server [{DEFAULT_ISSUER}]: ");
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(failed)?;
    let typed = line.trim();
    let issuer = if typed.is_empty() {
        DEFAULT_ISSUER
    } else {
        typed
    };
    Ok(issuer.to_owned())
}

fn init(global: &Global, issuer: Option<String>, file: &PathBuf) -> Result<(), CliError> {
    let issuer = issuer.map_or_else(ask_issuer, Ok)?;
    let issuer = Issuer::parse(&issuer).map_err(|error| CliError::usage(error.to_string()))?;
    // It may come to hold a database password.
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                CliError::exists(format!("{} exists already", file.display()))
                    .hint("choose another with --file")
            } else {
                CliError::failed(format!("cannot write {}: {error}", file.display()))
            }
        })?;
    out.write_all(config::template(&issuer).as_bytes())
        .map_err(|error| CliError::failed(format!("cannot write {}: {error}", file.display())))?;
    let json = json!({ "file": file, "issuer": issuer.as_str() });
    let text = format!(
        "wrote {} for {issuer}\nnext: countersign config validate, countersign migrate up, countersign serve",
        file.display()
    );
    global.output().print(&json, text)
}

fn validate(global: &Global) -> Result<(), CliError> {
    let sources = global.sources()?;
    let config = config::Config::load(&sources)?;
    let problems = problems(&config);
    if !problems.is_empty() {
        return Err(config::ConfigError { problems }.into());
    }
    let is_mail_off = config.mail.smtp().is_none();
    let json = json!({
        "valid": true,
        "issuer": config.issuer.as_str(),
        "file": sources.file(),
        "off_without_mail": is_mail_off.then_some(NEEDS_MAIL),
    });
    let text = match sources.file() {
        Some(file) => format!("{} and the environment are valid", file.display()),
        None => "the environment is valid; there is no configuration file".to_owned(),
    };
    let text = if is_mail_off {
        format!("{text}\nmail.host is not set: no mail is sent. Off: {NEEDS_MAIL}")
    } else {
        text
    };
    global.output().print(&json, text)
}

fn show(global: &Global) -> Result<(), CliError> {
    let settings = config::show(&global.sources()?)?;
    let text: Vec<_> = settings
        .iter()
        .map(|setting| format!("{} = {}  # {}", setting.path, setting.value, setting.origin))
        .collect();
    let json = settings
        .iter()
        .map(|setting| {
            let entry = json!({ "value": setting.value, "origin": setting.origin });
            (setting.path.to_owned(), entry)
        })
        .collect::<serde_json::Map<_, _>>();
    global.output().print(&json.into(), text.join("\n"))
}
