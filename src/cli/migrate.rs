//! `migrate`: the database schema.

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{CliError, Global};
use crate::{
    app,
    application::commands::know_administration::know_administration,
    infrastructure::sql::{
        self, SqlOptions,
        migrate::{self, MigrationState},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum MigrateVerb {
    /// Bring the schema up to date
    ///
    /// `serve` does it too. Several nodes may do it at once.
    Up,
    /// List the migrations and whether the database has seen them; changes nothing
    Status,
    /// Print the statements that `migrate up` would run; changes nothing
    DryRun,
}

pub(super) async fn run(global: &Global, verb: MigrateVerb) -> Result<(), CliError> {
    match verb {
        MigrateVerb::Up => up(global).await,
        MigrateVerb::Status => status(global).await,
        MigrateVerb::DryRun => dry_run(global).await,
    }
}

async fn up(global: &Global) -> Result<(), CliError> {
    let config = global.load()?;
    let store = app::open_sql(&config).await?;
    let applied = migrate::up(&store).await?;
    know_administration(&store, &config.issuer).await?;
    let text = match applied.len() {
        0 => "the schema is up to date".to_owned(),
        _ => format!("applied:\n  {}", applied.join("\n  ")),
    };
    global.output().print(&json!({ "applied": applied }), text)
}

async fn status(global: &Global) -> Result<(), CliError> {
    let migrations = migrate::status(&inspect(global).await?).await?;
    let word = |state| match state {
        MigrationState::Applied => "applied",
        MigrationState::Pending => "pending",
    };
    let json: Vec<_> = migrations
        .iter()
        .map(|migration| json!({ "name": migration.name, "state": word(migration.state) }))
        .collect();
    let lines: Vec<_> = migrations
        .iter()
        .map(|migration| format!("{}  {}", word(migration.state), migration.name))
        .collect();
    global.output().print(&json.into(), lines.join("\n"))
}

async fn dry_run(global: &Global) -> Result<(), CliError> {
    let statements = migrate::dry_run(&inspect(global).await?).await?;
    let text = match statements.len() {
        0 => "-- the schema is up to date".to_owned(),
        _ => format!("{};", statements.join(";\n")),
    };
    global
        .output()
        .print(&json!({ "statements": statements }), text)
}

/// The database to look at; a SQLite file that does not exist is not made.
async fn inspect(global: &Global) -> Result<sql::SqlStore, CliError> {
    let config = global.load()?;
    let url = config.database.url.expose_secret();
    Ok(sql::inspect(url, &SqlOptions::default()).await?)
}
