//! A database that does not answer, or not with what was written.

use std::{io, time::Duration};

use countersign::{
    application::ports::{Store as _, StoreError},
    domain::{consent::Consent, id::ClientId},
    infrastructure::sql::{SqlOptions, connect},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use url::Url;

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
        claims: ["birthdate".to_owned()].into(),
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
        // The path of a file is no secret, and operators need it.
        "sqlite:///nowhere/not/there.db?mode=never",
        "sqlite:///nowhere/there.db",
        "sqlite:///nowhere/there.db?mode=rwc",
    ] {
        let error = connect(url, &SqlOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{url}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
    }
}

/// Neither a refusal nor an end of the connection: nothing at all, as from a lost network.
#[tokio::test]
async fn a_server_that_falls_silent_is_unavailable_until_it_speaks_again() {
    let patience = Duration::from_mins(2);
    let heard = tokio::time::timeout(patience, silence_and_speech()).await;
    heard.expect("no answer means that somebody waits for ever");
}

async fn silence_and_speech() {
    let database = TestDatabase::postgres().await;
    database.store().await;
    let (speaking, speaks) = watch::channel(true);
    let impatient = SqlOptions {
        acquire_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(500),
        ..options()
    };
    let url = through_proxy(database.url(), speaks).await;
    let store = connect(&url, &impatient).await.unwrap();
    assert_eq!(store.reader().signing_keys().await.unwrap(), []);
    let unit = begin(&store).await;
    speaking.send(false).unwrap();
    let read = store.reader().signing_keys().await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))));
    let begun = store.begin().await;
    assert!(matches!(begun, Err(StoreError::Unavailable(_))));
    let written = unit.add_user(&user("grace")).await;
    assert!(matches!(written, Err(StoreError::Unavailable(_))));
    assert!(unit.commit().await.is_err());
    speaking.send(true).unwrap();
    while store.reader().signing_keys().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let nobody = store.reader().user(&user_id("grace")).await;
    assert_eq!(nobody.unwrap(), None);
}

/// The URL of the same database by way of a proxy that passes nothing on while it does not speak.
async fn through_proxy(url: &str, speaks: watch::Receiver<bool>) -> String {
    let mut url: Url = url.parse().unwrap();
    let server = (
        url.host_str().unwrap().to_owned(),
        url.port().unwrap_or(5432),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port()))
        .unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(pass_on(from_client, to_server, speaks.clone()));
            tokio::spawn(pass_on(from_server, to_client, speaks.clone()));
        }
    });
    url.into()
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut speaks: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let read = from.read(&mut buffer).await?;
        let ended = speaks.wait_for(|speaks| *speaks).await.is_err();
        if read == 0 || ended {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}
