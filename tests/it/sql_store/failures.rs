//! A database that does not answer, or not with what was written.

use std::time::Duration;

use countersign::{
    application::ports::{Store as _, StoreError},
    domain::{consent::Consent, id::ClientId},
    infrastructure::sql::{SqlOptions, connect},
};

use super::records::{NOW, begin, client, commit, grant, later, user, user_id};
use crate::support::sql::{TestDatabase, options};

pub(super) async fn an_exhausted_pool_is_unavailable(database: &TestDatabase) {
    let impatient = SqlOptions {
        max_connections: 1,
        acquire_timeout: Duration::from_millis(300),
        ..options()
    };
    let store = connect(database.url(), &impatient).await.unwrap();
    let first = begin(&store).await;
    let second = store.begin().await;
    assert!(matches!(second, Err(StoreError::Unavailable(_))));
    drop(first);
    begin(&store).await;
}

pub(super) async fn a_closed_store_is_unavailable(database: &TestDatabase) {
    let store = database.store().await;
    store.close().await.unwrap();
    assert!(matches!(
        store.ping().await,
        Err(StoreError::Unavailable(_))
    ));
    let begun = store.begin().await;
    assert!(matches!(begun, Err(StoreError::Unavailable(_))));
    let read = store.reader().signing_keys().await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))));
}

pub(super) async fn an_unreadable_row_is_named_without_its_content(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        unit.add_client(&client("app")).await.unwrap();
        unit.add_user(&user("grace")).await.unwrap();
        let grant = grant("g", "grace", "app");
        assert!(unit.redeem_grant(&grant, later(60)).await.unwrap());
    });
    database
        .execute(r#"UPDATE clients SET metadata = '{"id": "secret"}'"#)
        .await;
    database.execute("UPDATE users SET status = 'secret'").await;
    database
        .execute("UPDATE grants SET grant_json = '{\"secret\"'")
        .await;
    let reader = store.reader();
    let errors = [
        reader.client(&ClientId::new("app")).await.unwrap_err(),
        reader.user(&user_id("grace")).await.unwrap_err(),
        reader.grant(&grant("g", "", "").id).await.unwrap_err(),
    ];
    for (error, name) in errors
        .iter()
        .zip(["client app", "user id-of-grace", "grant g"])
    {
        assert!(matches!(error, StoreError::Corrupt(what) if what == name));
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

pub(super) async fn a_refused_statement_shows_no_values(database: &TestDatabase) {
    let store = database.store().await;
    let stray = Consent {
        user: user_id("secret"),
        client: ClientId::new("secret"),
        scope: "secret".parse().unwrap(),
        granted_at: NOW,
    };
    let refused = begin(&store).await.put_consent(&stray).await;
    let error = refused.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)));
    assert!(!format!("{error} {error:?}").contains("secret"));
    commit!(store, |unit| unit.add_user(&user("secret")).await.unwrap());
    let taken = begin(&store).await.add_user(&user("secret")).await;
    let error = taken.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // Port 9 of the loopback address: discard, which nobody serves.
    let url = "postgres://countersign:hunter2@127.0.0.1:9/countersign";
    let error = connect(url, &SqlOptions::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_url_that_names_no_database_is_refused_without_being_repeated() {
    for url in [
        "mysql://root:hunter2@127.0.0.1/countersign",
        "postgres://root:hunter2@:x/countersign",
        "hunter2",
        "",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:///nowhere/hunter2-not/there.db?mode=never",
        "sqlite:///nowhere/there.db",
        "sqlite:///nowhere/there.db?mode=rwc",
    ] {
        let error = connect(url, &SqlOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{url}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
    }
}
