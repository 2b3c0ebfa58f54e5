//! What the database layer must not give away.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
};

use countersign::{application::ports::Store as _, infrastructure::sql};
use tracing_subscriber::fmt::MakeWriter;
use url::Url;

use super::records::{commit, user};
use crate::support::sql::{TestDatabase, options};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// On one thread, so that the subscriber of this test hears everything and nothing else.
#[tokio::test]
async fn neither_password_nor_sql_nor_values_reach_the_log() {
    let database = TestDatabase::postgres().await;
    let mut url: Url = database.url().parse().unwrap();
    if url.password().is_none() {
        url.set_password(Some("hunter2")).unwrap();
    }
    let password = url.password().unwrap().to_owned();
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(log.clone())
        .finish();
    let guard = crate::support::log::listen(subscriber);
    tracing::trace!("the log works");
    let store = sql::connect(url.as_str(), &options()).await.unwrap();
    sql::migrate::up(&store).await.unwrap();
    commit!(store, |unit| unit.add_user(&user("grace")).await.unwrap());
    let found = store.reader().user_by_login("grace").await.unwrap();
    assert!(found.is_some());
    store.close().await.unwrap();
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the log works"));
    for secret in [
        password.as_str(),
        "grace",
        "Hopper",
        "INSERT INTO",
        "SELECT",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn only_the_owner_can_read_a_new_sqlite_file_and_its_log() {
    let database = TestDatabase::sqlite();
    let store = database.store().await;
    commit!(store, |unit| unit.add_user(&user("grace")).await.unwrap());
    let url: Url = database.url().parse().unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", url.path());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}
