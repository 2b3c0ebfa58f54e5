//! The SQL store: sea-orm on SQLite or PostgreSQL.
//!
//! A reader works on the connection pool, a unit of work on one transaction. Mutators exist only on
//! the transaction, so a reader cannot write. A unit of work in which any statement failed cannot be
//! committed: PostgreSQL would silently roll it back, SQLite would keep half of it.
//!
//! PostgreSQL stores no NUL in text. Nothing that holds one was ever stored, so looking for it finds
//! nothing, without asking the database.

mod audit;
mod backlog;
mod bounded;
mod changes;
mod claim;
mod clients;
mod connect;
mod consents;
mod copy;
mod entities;
mod error;
mod grants;
mod keys;
mod links;
mod members;
pub mod migrate;
mod outbox;
mod place;
mod roles;
mod sessions;
mod statistics;
mod users;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    QueryTrait, Select, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
    sea_query::LockType,
};

pub use self::claim::{Claim, ClaimError, Company, claim};
pub use self::connect::{Observed, Observer, SqlOptions, connect, inspect};
pub use self::copy::copy_sqlite;
pub use self::place::{missing_file, sqlite_file};
use self::{
    bounded::{Bounded, Patience},
    error::store_error,
};
use crate::{
    application::ports::{Announcer, Change, Clock as _, Reader, Store, StoreError, UnitOfWork},
    infrastructure::clock::SystemClock,
    metrics,
};

/// The lock of those who want to be alone: any number that nothing else uses.
const ALONE: &str = "SELECT pg_advisory_xact_lock(7305441877102849)";

/// An open database.
#[derive(Debug)]
pub struct SqlStore {
    reader: Sql<DatabaseConnection>,
    writer: DatabaseConnection,
    patience: Patience,
    announcer: Announcing,
}

/// Whoever is told of changes, once there is somebody.
#[derive(Clone, Default)]
struct Announcing(Arc<OnceLock<Weak<dyn Announcer>>>);

impl std::fmt::Debug for Announcing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcing")
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let work = self.patience.wait(begin(&self.writer));
        let transaction = metrics::database("begin", work).await;
        let transaction = transaction.map_err(|error| store_error(&error))?;
        let mut work = Sql::new(transaction, self.patience);
        work.reading = Reading::Holding;
        work.announcer = self.announcer.clone();
        Ok(Box::new(work))
    }

    fn reader(&self) -> &dyn Reader {
        &self.reader
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let pong = self.reader.connection.inner.ping();
        self.reader.checked(self.patience.wait(pong).await)
    }

    fn set_announcer(&self, announcer: Weak<dyn Announcer>) {
        let _ = self.announcer.0.set(announcer);
    }
}

impl SqlStore {
    fn new(reader: DatabaseConnection, writer: DatabaseConnection, patience: Patience) -> Self {
        Self {
            reader: Sql::new(reader, patience),
            writer,
            patience,
            announcer: Announcing::default(),
        }
    }

    /// Closes every connection. Whoever asks afterwards is told that the database is not available.
    pub async fn close(&self) -> Result<(), StoreError> {
        let closed = self.reader.connection.inner.close_by_ref().await;
        closed
            .and(self.writer.close_by_ref().await)
            .map_err(|error| store_error(&error))
    }
}

/// A transaction that may write. SQLite takes the write lock at once: a transaction that reads first
/// and then cannot get the lock would fail instead of wait.
async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    connection
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await
}

/// Whether a row that was read can change before the reader is done.
///
/// Records of users and clients are stored as a whole: who read one before somebody else's change and
/// stores it afterwards would undo that change, even the locking of an account. SQLite has one unit of
/// work at a time anyway; on PostgreSQL what one reads by its key is held until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// It can.
    Free,
    /// It cannot.
    Holding,
}

/// The repositories on a connection or a transaction.
#[derive(Debug)]
struct Sql<C> {
    connection: Bounded<C>,
    failed: AtomicBool,
    reading: Reading,
    /// What this unit of work changes in the directory.
    touched: Mutex<BTreeSet<Change>>,
    announcer: Announcing,
}

impl<C> Sql<C> {
    fn new(connection: C, patience: Patience) -> Self {
        Self {
            connection: Bounded {
                inner: connection,
                patience,
            },
            failed: AtomicBool::new(false),
            reading: Reading::Free,
            touched: Mutex::default(),
            announcer: Announcing::default(),
        }
    }

    /// Notes that copies of this are stale once the transaction is committed.
    fn touch(&self, change: Change) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.insert(change);
    }

    fn touched(&self) -> BTreeSet<Change> {
        let touched = self.touched.lock();
        touched.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `query`, holding the row that it finds where this is a unit of work.
    fn held<E: EntityTrait>(&self, mut query: Select<E>) -> Select<E> {
        if self.reading == Reading::Holding {
            let table = E::default();
            QueryTrait::query(&mut query).lock_with_tables(LockType::NoKeyUpdate, [table]);
        }
        query
    }

    /// Passes a result on and remembers that it was a failure.
    fn checked<T>(&self, result: Result<T, DbErr>) -> Result<T, StoreError> {
        result.map_err(|error| {
            self.failed.store(true, Ordering::Relaxed);
            store_error(&error)
        })
    }
}

#[async_trait]
impl UnitOfWork for Sql<DatabaseTransaction> {
    async fn alone(&self) -> Result<(), StoreError> {
        if self.connection.get_database_backend() == DbBackend::Postgres {
            let locked = self.connection.execute_unprepared(ALONE).await;
            self.checked(locked)?;
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(error::unavailable(
                "a statement of this unit of work failed, so it was rolled back",
            ));
        }
        // The wall clock: how long changes are kept is housekeeping.
        let changed = self.number_changes(SystemClock.now()).await;
        let changed = self.checked(changed)?;
        let Bounded { inner, patience } = self.connection;
        let committed = metrics::database("commit", patience.wait(inner.commit())).await;
        committed.map_err(|error| store_error(&error))?;
        if changed && let Some(announcer) = self.announcer.0.get().and_then(Weak::upgrade) {
            announcer.announce().await;
        }
        Ok(())
    }

    async fn rollback(self: Box<Self>) -> Result<(), StoreError> {
        let Bounded { inner, patience } = self.connection;
        let undone = patience.wait(inner.rollback()).await;
        undone.map_err(|error| store_error(&error))
    }
}

/// `text` unless it holds a NUL, which no stored text does.
fn storable(text: &str) -> Option<&str> {
    (!text.contains('\0')).then_some(text)
}

/// The key to continue a listing after. What comes after a text with a NUL comes after the part
/// before the NUL too, since no stored text lies between.
fn page_start(after: Option<&str>) -> Option<&str> {
    after.and_then(|after| after.split('\0').next())
}

/// The one row that a key finds. `one()` of the library would say `LIMIT ?`, and SQLite plans a
/// statement anew each time a limit is bound to it: six times the cost of the reading itself.
async fn only<T>(
    rows: impl Future<Output = Result<Vec<T>, DbErr>> + Send,
) -> Result<Option<T>, DbErr> {
    Ok(rows.await?.into_iter().next())
}

/// A row limit as both databases take it.
fn row_limit(limit: u64) -> u64 {
    limit.min(i64::MAX.unsigned_abs())
}
