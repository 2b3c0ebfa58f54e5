//! The sign on a database that one server with an embedded state store works on it.
//!
//! A second server with a state store of its own would not hear of what the first one ends: a token
//! that was revoked at one would be active at the other. So the second is refused. Whoever keeps state
//! in Redis shares it with others; on SQLite it is kept from joining one who does not.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use sea_orm::sqlx::{
    self, ConnectOptions as _,
    postgres::{PgConnectOptions, PgConnection},
};

use super::{connect::is_in_memory, place};

/// Any number that nothing else uses; PostgreSQL keeps the locks of each database apart.
const CLAIM: &str = "SELECT pg_try_advisory_lock(7305441877102848)";

/// How others may work on the database meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Nobody else: what ends is remembered in this process.
    None,
    /// Others that share a state store.
    Sharing,
}

/// Lasts until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub enum Claim {
    /// A locked file beside the database.
    File(File),
    /// A connection that holds a lock of the server's.
    Session(Box<PgConnection>),
    /// Nobody else can open the database, or everybody may.
    Needless,
}

/// Why the database cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another server works on it.
    #[error(
        "another server works on {0}, and this one would not hear of what is revoked there: stop \
         the other one, or let all share a Redis server (state.redis_url)"
    )]
    Taken(String),
    /// The file cannot be locked.
    #[error("the file {} cannot be locked", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// PostgreSQL cannot be asked.
    #[error("the PostgreSQL database cannot be claimed")]
    Session(#[from] sqlx::Error),
}

/// Claims the database that `url` names, or says that others work on it.
pub async fn claim(url: &str, company: Company) -> Result<Claim, ClaimError> {
    match place::sqlite_file(url) {
        Some(file) if is_in_memory(&file) => Ok(Claim::Needless),
        Some(file) => claim_file(&file, company),
        None if company == Company::Sharing => Ok(Claim::Needless),
        None => claim_session(url).await,
    }
}

/// The kernel ends the lock with the process, so that no death leaves a stale one.
fn claim_file(database: &Path, company: Company) -> Result<Claim, ClaimError> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&name)
        .map_err(|error| ClaimError::File(name.clone(), error))?;
    let locked = match company {
        Company::None => file.try_lock(),
        Company::Sharing => file.try_lock_shared(),
    };
    match locked {
        Ok(()) => Ok(Claim::File(file)),
        Err(TryLockError::WouldBlock) => Err(ClaimError::Taken(format!(
            "the SQLite file {}",
            database.display()
        ))),
        Err(TryLockError::Error(error)) => Err(ClaimError::File(name, error)),
    }
}

async fn claim_session(url: &str) -> Result<Claim, ClaimError> {
    let options: PgConnectOptions = url.parse()?;
    let mut connection = options.connect().await?;
    let claimed: bool = sqlx::query_scalar(CLAIM).fetch_one(&mut connection).await?;
    if !claimed {
        let database = options.get_database().unwrap_or(options.get_username());
        return Err(ClaimError::Taken(format!(
            "the PostgreSQL database {database}"
        )));
    }
    Ok(Claim::Session(Box::new(connection)))
}
