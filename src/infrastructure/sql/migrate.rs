//! Bringing the schema up to date.
//!
//! All that is pending runs in one transaction under a lock, so that of several nodes that start at
//! once one migrates and the others find nothing left to do, and a failure leaves the schema as it
//! was.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    Statement,
};

use super::{SqlStore, begin, error::store_error};
use crate::application::ports::StoreError;

/// Names this program among the users of a PostgreSQL server's advisory locks: "csig" in ASCII.
const ADVISORY_LOCK: i64 = 0x6373_6967;

/// Why the schema could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database did not do what was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A newer version of this program has migrated the database; names a migration it ran.
    #[error("the database was migrated by a newer version of Countersign ({0})")]
    Newer(String),
}

/// A migration and whether the database has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its name, `mYYYYMMDD_NNNNNN_name`.
    pub name: String,
    /// Whether the database has seen it.
    pub state: MigrationState,
}

/// Whether a database has seen a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// It has.
    Applied,
    /// It has not.
    Pending,
}

/// All migrations in their order, by one query that writes nothing.
pub async fn status(store: &SqlStore) -> Result<Vec<Migration>, MigrateError> {
    let applied = applied(&store.reader.connection.inner).await?;
    let names = migrations::names();
    if let Some(unknown) = applied.iter().find(|name| !names.contains(name)) {
        return Err(MigrateError::Newer(unknown.clone()));
    }
    Ok(names
        .into_iter()
        .map(|name| Migration {
            state: if applied.contains(&name) {
                MigrationState::Applied
            } else {
                MigrationState::Pending
            },
            name,
        })
        .collect())
}

/// The names of the migrations that the database has not seen, in their order.
pub async fn pending(store: &SqlStore) -> Result<Vec<String>, MigrateError> {
    let migrations = status(store).await?.into_iter();
    Ok(migrations
        .filter(|migration| migration.state == MigrationState::Pending)
        .map(|migration| migration.name)
        .collect())
}

/// Runs what is pending and names it. Where nothing is, that is one query.
pub async fn up(store: &SqlStore) -> Result<Vec<String>, MigrateError> {
    if pending(store).await?.is_empty() {
        return Ok(Vec::new());
    }
    let transaction = locked(&store.writer).await?;
    // Another node may have been here while we waited, so this looks again.
    let names = migrations::apply(&transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(names)
}

/// The statements that [`up`] would run. They do run, and are rolled back.
pub async fn dry_run(store: &SqlStore) -> Result<Vec<String>, MigrateError> {
    if pending(store).await?.is_empty() {
        return Ok(Vec::new());
    }
    let statements = Arc::new(Mutex::new(Vec::new()));
    let transaction = locked(&recording(&store.writer, &statements)).await?;
    migrations::apply(&transaction).await.map_err(failed)?;
    transaction.rollback().await.map_err(failed)?;
    // sea-orm makes sure more than once that its own table is there.
    let mut seen = BTreeSet::new();
    let mut changes = mem::take(&mut *statements.lock().unwrap_or_else(PoisonError::into_inner));
    changes.retain(|sql| !sql.starts_with("SELECT") && seen.insert(sql.clone()));
    Ok(changes)
}

/// The same connection, writing down every statement with its values.
fn recording(
    connection: &DatabaseConnection,
    statements: &Arc<Mutex<Vec<String>>>,
) -> DatabaseConnection {
    let mut connection = connection.clone();
    let statements = Arc::clone(statements);
    connection.set_metric_callback(move |info| {
        let mut statements = statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.push(info.statement.to_string());
    });
    connection
}

/// A transaction that keeps every other migration waiting.
async fn locked(connection: &DatabaseConnection) -> Result<DatabaseTransaction, MigrateError> {
    let transaction = begin(connection).await.map_err(failed)?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        // A migration, and waiting for that of another node, may take long.
        for sql in [
            "SET LOCAL statement_timeout = 0".to_owned(),
            "SET LOCAL idle_in_transaction_session_timeout = 0".to_owned(),
            format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"),
        ] {
            let done = transaction.execute_unprepared(&sql).await;
            done.map_err(failed)?;
        }
    }
    Ok(transaction)
}

/// The names of the migrations that the database has seen.
async fn applied(connection: &DatabaseConnection) -> Result<BTreeSet<String>, StoreError> {
    let sql = format!(r#"SELECT "version" FROM "{}""#, migrations::TABLE);
    let query = Statement::from_string(connection.get_database_backend(), sql);
    match connection.query_all_raw(query).await {
        Ok(rows) => rows
            .iter()
            .map(|row| row.try_get("", "version"))
            .collect::<Result<_, DbErr>>()
            .map_err(|error| store_error(&error)),
        Err(error) if is_missing_table(&error) => Ok(BTreeSet::new()),
        Err(error) => Err(store_error(&error)),
    }
}

fn is_missing_table(error: &DbErr) -> bool {
    const UNDEFINED_TABLE: &str = "42P01";
    let DbErr::Query(RuntimeErr::SqlxError(error)) = error else {
        return false;
    };
    error.as_database_error().is_some_and(|error| {
        error.code().as_deref() == Some(UNDEFINED_TABLE)
            || error.message().starts_with("no such table")
    })
}

// By value, for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn failed(error: DbErr) -> MigrateError {
    MigrateError::Store(store_error(&error))
}
