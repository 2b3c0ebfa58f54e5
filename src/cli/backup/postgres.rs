//! PostgreSQL: its own tools, which know every version of it.

use std::{io::ErrorKind, path::Path, process::Command};

use url::Url;

use crate::cli::CliError;

/// Writes everything that is committed at this moment, in the format that `pg_restore` reads.
pub(super) async fn dump(url: &str, to: &Path) -> Result<(), CliError> {
    let mut command = tool("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--file"]);
    command.arg(to);
    run(command, "pg_dump").await
}

/// Puts a dump into a database that is empty, all of it or nothing.
pub(super) async fn restore(url: &str, from: &Path) -> Result<(), CliError> {
    let mut command = tool("pg_restore", url)?;
    let database = name(url)?;
    command.args([
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
    ]);
    command.args(["--dbname", &database]).arg(from);
    run(command, "pg_restore").await
}

fn parsed(url: &str) -> Result<Url, CliError> {
    Url::parse(url).map_err(|_| CliError::usage("database.url is no URL"))
}

fn name(url: &str) -> Result<String, CliError> {
    let url = parsed(url)?;
    let name = url.path().trim_start_matches('/');
    let name = if name.is_empty() {
        url.username()
    } else {
        name
    };
    Ok(decoded(name))
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// The tool for this database. Its password goes by the environment: others can read arguments.
fn tool(program: &str, url: &str) -> Result<Command, CliError> {
    let at = parsed(url)?;
    let mut command = Command::new(program);
    command.env("PGDATABASE", name(url)?);
    if let Some(host) = at.host_str().filter(|host| !host.is_empty()) {
        command.env("PGHOST", decoded(host.trim_matches(['[', ']'])));
    }
    if let Some(port) = at.port() {
        command.env("PGPORT", port.to_string());
    }
    if !at.username().is_empty() {
        command.env("PGUSER", decoded(at.username()));
    }
    if let Some(password) = at.password() {
        command.env("PGPASSWORD", decoded(password));
    }
    for (name, value) in at.query_pairs() {
        match &*name {
            "host" => command.env("PGHOST", &*value),
            "sslmode" => command.env("PGSSLMODE", &*value),
            "sslrootcert" => command.env("PGSSLROOTCERT", &*value),
            _ => continue,
        };
    }
    Ok(command)
}

async fn run(mut command: Command, program: &str) -> Result<(), CliError> {
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .map_err(|error| CliError::failed(error.to_string()))?;
    let output = output.map_err(|error| {
        let failed = CliError::failed(format!("{program} cannot be run: {error}"));
        if error.kind() == ErrorKind::NotFound {
            failed.hint("install PostgreSQL's client programs, of the server's version or newer")
        } else {
            failed
        }
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said
        .lines()
        .next()
        .unwrap_or("it does not say why")
        .trim()
        .to_owned();
    Err(CliError::failed(format!("{program} failed: {said}")))
}
