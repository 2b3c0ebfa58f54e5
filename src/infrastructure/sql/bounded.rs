//! Statements that end in time even if the server does not: its own timeout is of no use when it, or
//! the network, falls silent.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};

use crate::metrics;

/// A connection or transaction whose statements are given up after a while. The driver closes a
/// connection that was left in the middle of one.
#[derive(Debug)]
pub(super) struct Bounded<C> {
    pub(super) inner: C,
    pub(super) patience: Patience,
}

/// How long to wait for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// As long as it takes: SQLite is part of this process.
    Endless,
    /// So long.
    Ends(Duration),
}

impl Patience {
    /// The answer, or an error when patience ends.
    pub(super) async fn wait<T>(
        self,
        answer: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        match self {
            Self::Endless => answer.await,
            Self::Ends(after) => tokio::time::timeout(after, answer)
                .await
                .unwrap_or_else(|_| {
                    let silent = "the database does not answer".to_owned();
                    Err(DbErr::Conn(RuntimeErr::Internal(silent)))
                }),
        }
    }
}

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Bounded<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let work = self.patience.wait(self.inner.execute_raw(statement));
        metrics::database("execute", work).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let work = self.patience.wait(self.inner.execute_unprepared(sql));
        metrics::database("execute", work).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let work = self.patience.wait(self.inner.query_one_raw(statement));
        metrics::database("query", work).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let work = self.patience.wait(self.inner.query_all_raw(statement));
        metrics::database("query", work).await
    }
}
