//! The schema.

use std::sync::{Arc, Mutex};

use countersign::infrastructure::sql::{
    SqlOptions, connect, inspect,
    migrate::{self, MigrateError, MigrationState},
};

use super::records::{commit, user};
use crate::support::sql::{TestDatabase, options};

pub(super) async fn a_fresh_database_is_migrated(database: &TestDatabase) {
    let store = database.connect().await;
    let all = migrate::pending(&store).await.unwrap();
    assert_eq!(all.len(), ::migrations::names().len());
    assert_eq!(all[0], "m20261123_000001_users");
    assert_eq!(migrate::up(&store).await.unwrap(), all);
    assert!(migrate::pending(&store).await.unwrap().is_empty());
    let status = migrate::status(&store).await.unwrap();
    let names: Vec<_> = status.iter().map(|migration| &migration.name).collect();
    assert_eq!(names, all.iter().collect::<Vec<_>>());
    assert!(status.iter().all(|m| m.state == MigrationState::Applied));
    commit!(store, |unit| unit.add_user(&user("grace")).await.unwrap());
}

pub(super) async fn a_current_schema_costs_one_query(database: &TestDatabase) {
    database.store().await;
    let statements = Arc::new(Mutex::new(Vec::new()));
    let observed = SqlOptions {
        observer: Some({
            let statements = Arc::clone(&statements);
            Arc::new(move |observed| statements.lock().unwrap().push(observed.sql.to_owned()))
        }),
        ..options()
    };
    let store = connect(database.url(), &observed).await.unwrap();
    assert!(migrate::up(&store).await.unwrap().is_empty());
    let statements = statements.lock().unwrap();
    assert_eq!(statements.len(), 1, "{statements:?}");
    assert!(statements[0].starts_with("SELECT"));
}

pub(super) async fn two_nodes_that_start_at_once_both_find_the_schema_ready(
    database: &TestDatabase,
) {
    let start = async || {
        let store = database.connect().await;
        let run = migrate::up(&store).await.unwrap();
        assert!(migrate::pending(&store).await.unwrap().is_empty());
        run
    };
    let (one, other) = tokio::join!(start(), start());
    assert!(one.is_empty() || other.is_empty());
    assert_eq!(one.len() + other.len(), ::migrations::names().len());
}

pub(super) async fn a_dry_run_tells_the_statements_and_changes_nothing(database: &TestDatabase) {
    let store = database.connect().await;
    let statements = migrate::dry_run(&store).await.unwrap();
    let count = |beginning: &str| {
        let matching = statements.iter().filter(|sql| sql.starts_with(beginning));
        matching.count()
    };
    assert!(count("CREATE TABLE") >= 18, "{statements:#?}");
    assert_eq!(
        count("INSERT INTO \"seaql_migrations\""),
        ::migrations::names().len()
    );
    assert!(count("CREATE UNIQUE INDEX") > 0 && count("CREATE INDEX") > 0);
    assert_eq!(count(""), statements.len());
    assert!(
        statements
            .iter()
            .all(|sql| !sql.contains('?') && !sql.contains('$'))
    );
    let pending = migrate::pending(&store).await.unwrap();
    assert_eq!(migrate::up(&store).await.unwrap(), pending);
    assert!(migrate::dry_run(&store).await.unwrap().is_empty());
}

pub(super) async fn a_schema_from_the_future_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    database
        .execute("INSERT INTO seaql_migrations VALUES ('m29991231_000001_wonders', 1)")
        .await;
    for refused in [
        migrate::up(&store).await.unwrap_err(),
        migrate::pending(&store).await.unwrap_err(),
        migrate::status(&store).await.unwrap_err(),
        migrate::dry_run(&store).await.unwrap_err(),
    ] {
        assert!(
            matches!(&refused, MigrateError::Newer(name) if name == "m29991231_000001_wonders"),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn looking_at_a_missing_sqlite_file_does_not_make_it() {
    let database = TestDatabase::sqlite();
    let store = inspect(database.url(), &options()).await.unwrap();
    assert_eq!(
        migrate::pending(&store).await.unwrap().len(),
        ::migrations::names().len()
    );
    assert!(!migrate::dry_run(&store).await.unwrap().is_empty());
    let url: url::Url = database.url().parse().unwrap();
    assert!(!std::fs::exists(url.path()).unwrap());
}

#[tokio::test]
async fn looking_at_a_database_sees_its_schema() {
    for database in crate::support::sql::test_databases().await {
        database.store().await;
        let store = inspect(database.url(), &options()).await.unwrap();
        assert!(migrate::pending(&store).await.unwrap().is_empty());
    }
}
