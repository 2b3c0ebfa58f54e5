//! `backup`: a copy of all that a server keeps, and the way back.
//!
//! Database and state go together, the keys apart: whoever finds one copy alone finds nothing that signs.

mod archive;
mod postgres;
mod sqlite;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::json;

use self::archive::{Archive, DATABASE, STATE};
use super::{CliError, Global};
use crate::{
    config::{Config, StateConfig},
    infrastructure::{
        kek::{self, Kek},
        sql,
        state::{OpenError, hold},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum BackupVerb {
    /// Copy database, state and keys
    ///
    /// The database can be copied while servers run. The embedded state can not: without --without-state
    /// the server has to be stopped. It holds sign-ins and refresh tokens only: a server that is restored
    /// without it lets users sign in again. State in Redis is Redis's to keep. Keys go to a directory of
    /// their own; keep it elsewhere. PostgreSQL needs `pg_dump`. Example:
    /// countersign backup create /backup/monday --keys-to /safe/monday
    Create {
        /// The directory to make
        directory: PathBuf,
        /// Copy the key-encryption key into this directory, which is made
        #[arg(long, value_name = "DIRECTORY")]
        keys_to: Option<PathBuf>,
        /// Leave the embedded state out, so that the server may run
        #[arg(long)]
        without_state: bool,
    },
    /// Check a backup, and put it where the configuration says
    ///
    /// Only where nothing is yet: an existing database, state or key stays and is an error. Stop all
    /// servers first. PostgreSQL needs `pg_restore` and an empty database. Example:
    /// countersign backup restore /backup/monday --keys-from /safe/monday
    Restore {
        /// The backup
        directory: PathBuf,
        /// Where the key-encryption key was copied to
        #[arg(long, value_name = "DIRECTORY")]
        keys_from: Option<PathBuf>,
    },
}

pub(super) async fn run(global: &Global, verb: BackupVerb) -> Result<(), CliError> {
    let config = global.load()?;
    match verb {
        BackupVerb::Create {
            directory,
            keys_to,
            without_state,
        } => {
            create(
                global,
                &config,
                (&directory, keys_to.as_deref(), without_state),
            )
            .await
        }
        BackupVerb::Restore {
            directory,
            keys_from,
        } => restore(global, &config, (&directory, keys_from.as_deref())).await,
    }
}

async fn create(
    global: &Global,
    config: &Config,
    (directory, keys_to, without_state): (&Path, Option<&Path>, bool),
) -> Result<(), CliError> {
    if keys_to.is_some_and(|keys| keys.starts_with(directory) || directory.starts_with(keys)) {
        return Err(CliError::usage("the keys would lie with what they open")
            .hint("name a directory elsewhere for --keys-to"));
    }
    let url = config.database.url.expose_secret();
    if let Some(file) = sql::missing_file(url) {
        return Err(CliError::failed(format!(
            "there is no database yet at {}",
            file.display()
        )));
    }
    let mut archive = Archive::begin(directory)?;
    match sql::sqlite_file(url) {
        Some(_) => sql::copy_sqlite(url, &archive.path(DATABASE)).await?,
        None => postgres::dump(url, &archive.path(DATABASE)).await?,
    }
    let state = match &config.state {
        StateConfig::Embedded(state) if !without_state => copy_state(state, &archive)?,
        StateConfig::Embedded(_) => "left out: users sign in again after a restore",
        StateConfig::Redis(_) => "in Redis, which keeps it itself",
    };
    archive.seal()?;
    let keys = match keys_to {
        Some(keys) => copy_keys(config, keys)?,
        None => "not copied; without them a restored database has no keys that sign",
    };
    let json =
        json!({ "directory": directory, "files": archive.files(), "state": state, "keys": keys });
    let text = format!(
        "{} files in {}\nstate  {state}\nkeys   {keys}",
        archive.files().len(),
        directory.display()
    );
    global.output().print(&json, text)
}

/// The state of a server that is stopped.
fn copy_state(state: &Path, archive: &Archive) -> Result<&'static str, CliError> {
    let lock = hold(state).map_err(|error| match &error {
        OpenError::Locked { .. } => CliError::unavailable(format!(
            "a server works with the state in {}",
            state.display()
        ))
        .hint("stop it, or add --without-state: users then sign in again after a restore"),
        OpenError::Damaged { .. } | OpenError::Failed { .. } => CliError::failed(error.to_string()),
    })?;
    let Some(_lock) = lock else {
        return Ok("there is none yet");
    };
    archive::copy_tree(state, &archive.path(STATE))?;
    Ok("copied")
}

fn copy_keys(config: &Config, keys: &Path) -> Result<&'static str, CliError> {
    let file = config.keys.kek_path();
    if !file.exists() {
        return Ok("there are none yet");
    }
    archive::make(keys)?;
    archive::copy_private(&file, &keys.join(kek::FILE))?;
    Ok("copied apart")
}

fn make_parent(file: &Path) -> Result<(), CliError> {
    let parent = file.parent().filter(|it| !it.as_os_str().is_empty());
    parent.map_or(Ok(()), archive::make)
}

async fn restore(
    global: &Global,
    config: &Config,
    (directory, keys_from): (&Path, Option<&Path>),
) -> Result<(), CliError> {
    let archive = Archive::open(directory)?;
    let url = config.database.url.expose_secret();
    let place = config.keys.kek_path();
    // Everything that could be in the way is looked at before anything is written.
    if let Some(keys) = keys_from {
        let copy = keys.join(kek::FILE);
        Kek::load(&copy).map_err(|error| CliError::failed(error.to_string()))?;
        archive::must_be_free(&place)?;
    }
    let state = match &config.state {
        StateConfig::Embedded(state) if archive.has(STATE) => {
            archive::must_be_free(state)?;
            Some(state)
        }
        StateConfig::Embedded(_) | StateConfig::Redis(_) => None,
    };
    match sql::sqlite_file(url) {
        Some(file) => {
            archive::must_be_free(&file)?;
            sqlite::must_be_one(&archive.path(DATABASE))?;
            make_parent(&file)?;
            archive::copy_private(&archive.path(DATABASE), &file)?;
        }
        None => postgres::restore(url, &archive.path(DATABASE)).await?,
    }
    if let Some(state) = state {
        archive::copy_tree(&archive.path(STATE), state)?;
    }
    if let Some(keys) = keys_from {
        make_parent(&place)?;
        archive::copy_private(&keys.join(kek::FILE), &place)?;
    }
    let json = json!({ "restored": archive.files().len(), "state": state.is_some(), "keys": keys_from.is_some() });
    let text = "restored; then run: countersign migrate up, countersign doctor";
    global.output().print(&json, text)
}
