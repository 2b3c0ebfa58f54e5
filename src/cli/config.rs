//! `config`: write, check and explain the configuration.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global};
use crate::{config, protocol::issuer::Issuer};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Write a commented file to begin with
    ///
    /// Example: countersign config init --issuer <https://login.example.com>
    Init {
        /// The URL by which clients will know this server
        #[arg(long)]
        issuer: String,
        /// The file to write; it must not exist
        #[arg(long, default_value = "countersign.toml")]
        file: PathBuf,
    },
    /// Check the configuration without starting anything
    Validate,
    /// Print what is in effect, without secrets
    Show,
    /// Print the reference of all settings (Markdown)
    Reference,
}

pub(super) fn run(global: &Global, verb: ConfigVerb) -> Result<(), CliError> {
    match verb {
        ConfigVerb::Init { issuer, file } => init(global, &issuer, &file),
        ConfigVerb::Validate => validate(global),
        ConfigVerb::Show => show(global),
        ConfigVerb::Reference => {
            let reference = config::reference();
            let json = json!({ "reference": reference });
            global.output().print(&json, reference.trim_end())
        }
    }
}

fn init(global: &Global, issuer: &str, file: &PathBuf) -> Result<(), CliError> {
    let issuer = Issuer::parse(issuer).map_err(|error| CliError::usage(error.to_string()))?;
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
    out.write_all(config::template(issuer.as_str()).as_bytes())
        .map_err(|error| CliError::failed(format!("cannot write {}: {error}", file.display())))?;
    let json = json!({ "file": file });
    let text = format!(
        "wrote {}\nnext: countersign config validate, countersign migrate up, countersign serve",
        file.display()
    );
    global.output().print(&json, text)
}

fn validate(global: &Global) -> Result<(), CliError> {
    let sources = global.sources()?;
    let config = config::Config::load(&sources)?;
    let json = json!({ "valid": true, "issuer": config.issuer.as_str(), "file": sources.file() });
    let text = match sources.file() {
        Some(file) => format!("{} and the environment are valid", file.display()),
        None => "the environment is valid; there is no configuration file".to_owned(),
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
