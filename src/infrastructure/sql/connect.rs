//! Opening a database.

use std::{fmt, io::ErrorKind, num::NonZero, path::Path, sync::Arc, thread, time::Duration};

use sea_orm::{
    ConnectOptions, DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{
        ConnectOptions as _,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use super::{
    SqlStore,
    bounded::Patience,
    error::{store_error, unavailable},
    place,
};
use crate::application::ports::StoreError;

/// How long SQLite waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Page cache of one SQLite connection, KiB. The operating system caches the file anyway.
const SQLITE_CACHE_KIB: u32 = 1024;

/// Connections that nobody used for so long are closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// A PostgreSQL connection is asked whether it is alive if it was idle for so long.
const PING_AFTER: Duration = Duration::from_secs(15);

/// What an operator may tune.
#[derive(Clone)]
pub struct SqlOptions {
    /// Connections at most. SQLite: those that read; one more writes.
    pub max_connections: u32,
    /// How long to wait for a free connection before answering that the database is not available;
    /// with SQLite also for one's turn to write.
    pub acquire_timeout: Duration,
    /// How long PostgreSQL may work on one statement.
    pub statement_timeout: Duration,
    /// Who hears of every statement.
    pub observer: Option<Observer>,
}

impl Default for SqlOptions {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            max_connections: u32::try_from(cores * 4).unwrap_or(u32::MAX).max(4),
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(2),
            observer: None,
        }
    }
}

impl fmt::Debug for SqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlOptions")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

/// Is called after every statement, on the task that ran it: must be quick.
pub type Observer = Arc<dyn Fn(&Observed<'_>) + Send + Sync>;

/// A statement that ran.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The statement with placeholders, never with values.
    pub sql: &'a str,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether it failed.
    pub failed: bool,
}

/// Opens the database that `url` names: `sqlite://file?mode=rwc` or `postgres://user@host/name`.
/// Leaves its schema alone. An error names the place and the cause, never the password.
pub async fn connect(url: &str, options: &SqlOptions) -> Result<SqlStore, StoreError> {
    match open(url, options).await {
        Err(StoreError::Unavailable(error)) => Err(place::explain(url, &error.to_string()).await),
        opened => opened,
    }
}

async fn open(url: &str, options: &SqlOptions) -> Result<SqlStore, StoreError> {
    let mut store = if url.starts_with("sqlite:") {
        sqlite(url, options).await?
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        postgres(url, options).await?
    } else {
        return Err(unavailable(
            "the database URL must begin with sqlite:// or postgres://",
        ));
    };
    if let Some(observer) = &options.observer {
        observe(&mut store.reader.connection.inner, observer);
        observe(&mut store.writer, observer);
    }
    Ok(store)
}

/// Opens the database that `url` names to look at it. A SQLite file that does not exist is seen as an
/// empty database and is not made.
pub async fn inspect(url: &str, options: &SqlOptions) -> Result<SqlStore, StoreError> {
    if url.starts_with("sqlite:") && !sqlite_options(url)?.get_filename().exists() {
        let memory = SqliteConnectOptions::new().in_memory(true);
        let pool = SqlxSqliteConnector::connect(sqlite_pool(memory, options.acquire_timeout)).await;
        let pool = pool.map_err(|error| store_error(&error))?;
        return Ok(SqlStore::new(pool.clone(), pool, Patience::Endless));
    }
    connect(url, options).await
}

fn observe(connection: &mut DatabaseConnection, observer: &Observer) {
    let observer = Arc::clone(observer);
    connection.set_metric_callback(move |info| {
        observer(&Observed {
            sql: &info.statement.sql,
            elapsed: info.elapsed,
            failed: info.failed,
        });
    });
}

fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    let options: SqliteConnectOptions = url
        .parse()
        .map_err(|_| unavailable("the database URL is no URL of a SQLite file"))?;
    Ok(options
        .disable_statement_logging()
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("cache_size", format!("-{SQLITE_CACHE_KIB}"))
        .thread_name(|id| format!("sqlite-{id}")))
}

pub(super) fn is_in_memory(file: &Path) -> bool {
    let name = file.to_string_lossy();
    name.contains(":memory:") || name.starts_with("file:sqlx-in-memory")
}

/// One connection that writes, so that writers queue here and not in SQLite's busy loop, where they
/// would take the readers' connections along; and some that cannot write.
async fn sqlite(url: &str, options: &SqlOptions) -> Result<SqlStore, StoreError> {
    let file = sqlite_options(url)?;
    if is_in_memory(file.get_filename()) {
        return Err(unavailable("the SQLite database must be a file"));
    }
    if url.contains("mode=rwc") {
        make_private(file.get_filename()).await?;
    }
    let wal = file.clone().journal_mode(SqliteJournalMode::Wal);
    let writer = sqlite_writer(&wal, options.acquire_timeout).await?;
    let read_only = file.create_if_missing(false).pragma("query_only", "ON");
    let pool = sqlite_pool(read_only, options.acquire_timeout)
        .max_connections(options.max_connections)
        .idle_timeout(IDLE_TIMEOUT)
        .connect_lazy(true)
        .clone();
    let reader = SqlxSqliteConnector::connect(pool).await;
    let reader = reader.map_err(|error| store_error(&error))?;
    Ok(SqlStore::new(reader, writer, Patience::Endless))
}

/// Makes the file if it is missing, so that only its owner can read the hashes and keys in it. SQLite
/// gives its log the same mode.
async fn make_private(file: &Path) -> Result<(), StoreError> {
    let made = tokio::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .await;
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unavailable(&format!(
            "the database file {} cannot be made: {error}",
            file.display()
        ))),
    }
}

/// Turning a new file to WAL takes a lock that SQLite does not wait for, so when several nodes start
/// at once, all but one try again.
async fn sqlite_writer(
    file: &SqliteConnectOptions,
    acquire_timeout: Duration,
) -> Result<DatabaseConnection, StoreError> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        let pool = sqlite_pool(file.clone(), acquire_timeout);
        match SqlxSqliteConnector::connect(pool).await {
            Err(error) if waited < BUSY_TIMEOUT && error.to_string().contains("locked") => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            result => return result.map_err(|error| store_error(&error)),
        }
    }
}

/// A pool of one connection.
fn sqlite_pool(file: SqliteConnectOptions, acquire_timeout: Duration) -> ConnectOptions {
    pool_options("sqlite::memory:", acquire_timeout)
        .max_connections(1)
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(move |_| file.clone())
        .clone()
}

async fn postgres(url: &str, options: &SqlOptions) -> Result<SqlStore, StoreError> {
    let timeout = options.statement_timeout.as_millis().to_string();
    let server = url
        .parse::<PgConnectOptions>()
        .map_err(|_| unavailable("the database URL is no URL of a PostgreSQL database"))?
        .disable_statement_logging()
        .application_name("countersign")
        .options([
            ("statement_timeout", timeout.as_str()),
            ("idle_in_transaction_session_timeout", timeout.as_str()),
        ]);
    let pool = pool_options("postgres://localhost", options.acquire_timeout)
        .max_connections(options.max_connections)
        .idle_timeout(IDLE_TIMEOUT)
        .test_before_acquire_if_idle_for(PING_AFTER)
        .map_sqlx_postgres_opts(move |_| server.clone())
        .clone();
    let connection = SqlxPostgresConnector::connect(pool)
        .await
        .map_err(|error| store_error(&error))?;
    let patience = Patience::Ends(options.acquire_timeout + options.statement_timeout);
    Ok(SqlStore::new(connection.clone(), connection, patience))
}

/// sea-orm puts the URL it is given into trace spans, with the password. It gets a stand-in, and the
/// driver the real one by `map_sqlx_*_opts`.
fn pool_options(stand_in: &str, acquire_timeout: Duration) -> ConnectOptions {
    let mut pool = ConnectOptions::new(stand_in);
    pool.min_connections(0)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    pool
}
