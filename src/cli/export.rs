//! `export`: users, roles, groups and applications as JSON Lines, as `import` reads them.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use super::{CliError, Global, registrar};
use crate::application::{
    ports::Page,
    queries::export::{Secrets, clients, resources, roles_and_groups, users},
    records::Record,
};

const EXAMPLES: &str = "\
Examples:
    countersign export --to people.jsonl
    countersign export --with-password-hashes --to people.jsonl     (keep that file safe)
    countersign export | jq 'select(.type == \"user\") | .email'";

/// Users read at once.
const PAGE: u64 = 500;

/// Write users, roles, groups, APIs and applications as JSON Lines
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// The file, which must not exist yet; standard output where absent
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The hashes of passwords too: whoever has the file can try passwords
    #[arg(long)]
    with_password_hashes: bool,
    /// The digests of the secrets of applications too, so that they go on; without them each needs a new one
    #[arg(long)]
    with_client_secrets: bool,
}

fn secrets(included: bool) -> Secrets {
    if included {
        Secrets::Included
    } else {
        Secrets::Omitted
    }
}

pub(super) async fn run(global: &Global, export: Export) -> Result<(), CliError> {
    let (registrar, _) = registrar::open(global).await?;
    let passwords = secrets(export.with_password_hashes);
    let mut out = open(&export)?;
    for record in resources(&registrar).await? {
        write(&mut *out, &record)?;
    }
    let mut after = None;
    loop {
        let page = Page { after, limit: PAGE };
        let known = secrets(export.with_client_secrets);
        let clients = clients(&registrar, &page, known).await?;
        let Some(last) = clients.last() else {
            break;
        };
        after = Some(last.id.as_str().to_owned());
        for client in clients {
            write(&mut *out, &Record::Client(Box::new(client)))?;
        }
    }
    for record in roles_and_groups(&registrar).await? {
        write(&mut *out, &record)?;
    }
    let mut after = None;
    loop {
        let page = Page { after, limit: PAGE };
        let records = users(&registrar, &page, passwords).await?;
        let Some(last) = records.last() else {
            break;
        };
        after = Some(last.username.clone());
        for record in records {
            write(&mut *out, &Record::User(Box::new(record)))?;
        }
    }
    out.flush().map_err(|error| unwritable(&error))
}

/// Nobody but its owner reads the file.
fn open(export: &Export) -> Result<Box<dyn io::Write + Send>, CliError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let Some(file) = &export.to else {
        return Ok(Box::new(io::BufWriter::new(io::stdout())));
    };
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let opened = opened
        .map_err(|error| CliError::failed(format!("cannot write {}: {error}", file.display())))?;
    Ok(Box::new(io::BufWriter::new(opened)))
}

fn write(out: &mut (dyn io::Write + Send), record: &Record) -> Result<(), CliError> {
    let line = serde_json::to_string(record)
        .map_err(|error| CliError::failed(format!("cannot write a record: {error}")))?;
    writeln!(out, "{line}").map_err(|error| unwritable(&error))
}

fn unwritable(error: &io::Error) -> CliError {
    CliError::unprinted(error)
}
