//! The SQL store: sea-orm on SQLite or PostgreSQL.
//!
//! A reader works on the connection pool, a unit of work on one transaction. Mutators exist only on
//! the transaction, so a reader cannot write. A unit of work in which any statement failed cannot be
//! committed: PostgreSQL would silently roll it back, SQLite would keep half of it.
//!
//! PostgreSQL stores no NUL in text. Nothing that holds one was ever stored, so looking for it finds
//! nothing, without asking the database.

mod audit;
mod bounded;
mod clients;
mod connect;
mod consents;
mod entities;
mod error;
mod grants;
mod keys;
pub mod migrate;
mod outbox;
mod roles;
mod users;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};

pub use self::connect::{Observed, Observer, SqlOptions, connect, inspect};
use self::{
    bounded::{Bounded, Patience},
    error::store_error,
};
use crate::application::ports::{Reader, Store, StoreError, UnitOfWork};

/// An open database.
#[derive(Debug)]
pub struct SqlStore {
    reader: Sql<DatabaseConnection>,
    writer: DatabaseConnection,
    patience: Patience,
}

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let transaction = self.patience.wait(begin(&self.writer)).await;
        let transaction = transaction.map_err(|error| store_error(&error))?;
        Ok(Box::new(Sql::new(transaction, self.patience)))
    }

    fn reader(&self) -> &dyn Reader {
        &self.reader
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let pong = self.reader.connection.inner.ping();
        self.reader.checked(self.patience.wait(pong).await)
    }
}

impl SqlStore {
    fn new(reader: DatabaseConnection, writer: DatabaseConnection, patience: Patience) -> Self {
        Self {
            reader: Sql::new(reader, patience),
            writer,
            patience,
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

/// The repositories on a connection or a transaction.
#[derive(Debug)]
struct Sql<C> {
    connection: Bounded<C>,
    failed: AtomicBool,
}

impl<C> Sql<C> {
    fn new(connection: C, patience: Patience) -> Self {
        Self {
            connection: Bounded {
                inner: connection,
                patience,
            },
            failed: AtomicBool::new(false),
        }
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
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(error::unavailable(
                "a statement of this unit of work failed, so it was rolled back",
            ));
        }
        let Bounded { inner, patience } = self.connection;
        let committed = patience.wait(inner.commit()).await;
        committed.map_err(|error| store_error(&error))
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

/// A row limit as both databases take it.
fn row_limit(limit: u64) -> u64 {
    limit.min(i64::MAX.unsigned_abs())
}
