//! Databases for tests, each empty and used by one test only.

use std::{any::Any, thread, time::Duration};

use countersign::infrastructure::sql::{SqlOptions, SqlStore, connect, migrate};
use sea_orm::sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection,
};

use super::postgres;

/// A database of its own for one test. It is removed when this is dropped.
pub(crate) struct TestDatabase {
    url: String,
    _keep: Box<dyn Any + Send + Sync>,
}

/// An empty database of each kind that is supported: SQLite first, then PostgreSQL.
pub(crate) async fn test_databases() -> [TestDatabase; 2] {
    [TestDatabase::sqlite(), TestDatabase::postgres().await]
}

impl TestDatabase {
    /// A SQLite file that does not exist yet.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("countersign.db");
        Self {
            url: format!("sqlite://{}?mode=rwc", file.display()),
            _keep: Box::new(folder),
        }
    }

    /// An empty schema on the PostgreSQL server that all tests share.
    pub(crate) async fn postgres() -> Self {
        let schema = Schema(format!("test_{}", uuid::Uuid::new_v4().simple()));
        // The first to ask starts the server, which takes a while.
        let server = tokio::task::spawn_blocking(postgres::shared_url);
        let server = server.await.unwrap();
        execute(server, &format!("CREATE SCHEMA {}", schema.0)).await;
        let separator = if server.contains('?') { '&' } else { '?' };
        Self {
            url: format!("{server}{separator}options[search_path]={}", schema.0),
            _keep: Box::new(schema),
        }
    }

    /// What to give to `connect`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether this is the SQLite one.
    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// Runs SQL behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        if self.is_sqlite() {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            let sql = AssertSqlSafe(sql.to_owned());
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        } else {
            execute(&self.url, sql).await;
        }
    }

    /// The open database, its schema as yet empty.
    pub(crate) async fn connect(&self) -> SqlStore {
        connect(&self.url, &options()).await.unwrap()
    }

    /// The open database with all its tables.
    pub(crate) async fn store(&self) -> SqlStore {
        let store = self.connect().await;
        migrate::up(&store).await.unwrap();
        store
    }
}

/// The defaults, with more patience: many tests share the machine.
pub(crate) fn options() -> SqlOptions {
    SqlOptions {
        acquire_timeout: Duration::from_mins(1),
        statement_timeout: Duration::from_mins(1),
        ..SqlOptions::default()
    }
}

struct Schema(String);

impl Drop for Schema {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA {} CASCADE", self.0);
        // A test is inside a runtime, where nothing may block on another.
        let dropping = thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(execute(postgres::shared_url(), &sql));
        });
        let _ = dropping.join();
    }
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = AssertSqlSafe(sql.to_owned());
    connection.execute(sql).await.unwrap();
    connection.close().await.unwrap();
}
