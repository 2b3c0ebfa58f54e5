//! What is special to Redis: the wire, and what happens when the server fails.

use std::{path::PathBuf, sync::Arc, time::Duration};

use countersign::{
    application::ports::state::{Kind, StateError, StateKey, StateStore},
    infrastructure::state::{ConnectError, RedisOptions, RedisStore},
};
use redis::aio::MultiplexedConnection;

use super::Rig;
use crate::support::redis::{self as servers, RedisServer, options};

const LONG: Duration = Duration::from_mins(5);

/// Longer than any operation may take.
const HANG: Duration = Duration::from_secs(3);

pub(super) async fn open() -> Rig {
    Rig {
        store: Arc::new(servers::open().await),
        _keep: Box::new(()),
    }
}

#[tokio::test]
async fn tls_with_the_servers_authority_and_its_password_is_let_in() {
    let server = RedisServer::start_with_tls();
    let store = RedisStore::connect(&with_ca(&server, &server.url()))
        .await
        .unwrap();
    store.put(&key("a"), b"one", LONG).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap(), b"one");
}

#[tokio::test]
async fn tls_with_an_authority_we_do_not_trust_is_refused() {
    let (server, other) = (RedisServer::start_with_tls(), RedisServer::start_with_tls());
    for options in [options(&server.url()), with_ca(&other, &server.url())] {
        let error = refusal(&options).await;
        assert!(
            matches!(error, ConnectError::Unreachable { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let server = RedisServer::start_with_tls();
    let url = server.url().replace("127.0.0.1", "localhost");
    let error = refusal(&with_ca(&server, &url)).await;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let server = RedisServer::start();
    let error = refusal(&options(&server.url_with_password("not-the-password"))).await;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(
        !said(&error).contains("not-the-password"),
        "{}",
        said(&error)
    );
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_before_connecting() {
    let plain = "redis://:hidden@127.0.0.1:1";
    let insecure = "rediss://:hidden@127.0.0.1:1/#insecure";
    let mut with_missing_ca = options("rediss://:hidden@127.0.0.1:1");
    with_missing_ca.ca_file = Some(PathBuf::from("/nonexistent/ca.pem"));
    let mut with_wrong_namespace = options(plain);
    with_wrong_namespace.namespace = "{tag}".to_owned();
    for options in [
        options("http://:hidden@127.0.0.1"),
        options("redis://:hidden@127.0.0.1:port"),
        options(insecure),
        with_missing_ca,
        with_wrong_namespace,
        options(plain),
    ] {
        let error = refusal(&options).await;
        assert!(!said(&error).contains("hidden"), "{}", said(&error));
    }
}

#[tokio::test]
async fn keys_carry_namespace_kind_and_digest_but_no_identifier() {
    let options = options(servers::shared_url());
    let store = RedisStore::connect(&options).await.unwrap();
    store
        .put(&key("an-identifier"), b"one", LONG)
        .await
        .unwrap();
    let mut connection = raw(servers::shared_url()).await;
    let pattern = format!("KEYS {}*", options.namespace);
    let keys: Vec<String> = order(&mut connection, &pattern).await;
    // SHA-256 of the identifier.
    let digest = "B8GQlt-NaILcKIXNrqYNvCedi56UrQvsXxMshFU4HbU";
    assert_eq!(keys, [format!("{}:code:{{{digest}}}", options.namespace)]);
}

#[tokio::test]
async fn every_record_and_counter_has_an_end() {
    let options = options(servers::shared_url());
    let store = RedisStore::connect(&options).await.unwrap();
    store.put(&key("put"), b"one", LONG).await.unwrap();
    store.swap(&key("put"), b"two", LONG).await.unwrap();
    store.add(&key("add"), b"one", LONG).await.unwrap();
    store
        .replace(&key("add"), b"one", b"two", LONG)
        .await
        .unwrap();
    store.hit(&key("hit"), LONG).await.unwrap();
    store.hit(&key("hit"), LONG).await.unwrap();
    let mut connection = raw(servers::shared_url()).await;
    let pattern = format!("KEYS {}*", options.namespace);
    let keys: Vec<String> = order(&mut connection, &pattern).await;
    assert_eq!(keys.len(), 3);
    for key in keys {
        let left: i64 = order(&mut connection, &format!("PTTL {key}")).await;
        assert!(left > 0, "{key} never ends");
    }
}

#[tokio::test]
async fn two_namespaces_on_one_server_do_not_meet() {
    let (one, other) = (servers::open().await, servers::open().await);
    one.put(&key("a"), b"one", LONG).await.unwrap();
    assert_eq!(other.get(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn scripts_work_after_the_server_has_forgotten_them() {
    let server = RedisServer::start();
    let store = RedisStore::connect(&options(&server.url())).await.unwrap();
    assert_eq!(store.hit(&key("a"), LONG).await.unwrap(), 1);
    let mut connection = raw(&server.url()).await;
    order::<()>(&mut connection, "SCRIPT FLUSH").await;
    assert_eq!(store.hit(&key("a"), LONG).await.unwrap(), 2);
    assert!(store.replace(&key("a"), b"2", b"9", LONG).await.unwrap());
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    let mut server = RedisServer::start();
    let store = RedisStore::connect(&options(&server.url())).await.unwrap();
    store.put(&key("a"), b"one", LONG).await.unwrap();
    let before = store.incarnation().await.unwrap();
    server.restart();
    assert_eq!(
        store.get(&key("a")).await.unwrap(),
        None,
        "reading asks twice"
    );
    assert_ne!(store.incarnation().await.unwrap(), before);
    store.put(&key("a"), b"two", LONG).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap(), b"two");
}

#[tokio::test]
async fn a_server_that_refused_us_for_a_while_is_asked_again() {
    let server = RedisServer::start();
    let store = RedisStore::connect(&options(&server.url())).await.unwrap();
    let mut operator = raw(&server.url()).await;
    order::<()>(&mut operator, "CONFIG SET requirepass another").await;
    order::<()>(&mut operator, "CLIENT KILL TYPE normal SKIPME yes").await;
    for _ in 0..3 {
        assert_unavailable(store.get(&key("a")).await);
    }
    let back = format!("CONFIG SET requirepass {}", server.password());
    order::<()>(&mut operator, &back).await;
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn c179_a_server_that_does_not_answer_makes_every_operation_fail_in_time() {
    let server = RedisServer::start();
    let store = RedisStore::connect(&options(&server.url())).await.unwrap();
    store.put(&key("a"), b"one", LONG).await.unwrap();
    server.signal("STOP");
    let (a, b) = (key("a"), key("b"));
    let both = [a, b];
    let failed = tokio::time::timeout(HANG, async {
        tokio::join!(
            store.put(&a, b"two", LONG),
            store.add(&b, b"two", LONG),
            store.get(&a),
            store.swap(&a, b"two", LONG),
            store.replace(&a, b"one", b"two", LONG),
            store.delete(&b),
            store.hit(&b, LONG),
            store.get_many(&both),
        )
    });
    let (put, add, get, swap, replace, delete, hit, many) =
        failed.await.expect("an operation hangs");
    assert_unavailable(put);
    assert_unavailable(add);
    assert_unavailable(get);
    assert_unavailable(swap);
    assert_unavailable(replace);
    assert_unavailable(delete);
    assert_unavailable(hit);
    assert_unavailable(many);
    server.signal("CONT");
    store.put(&b, b"three", LONG).await.unwrap();
    assert_eq!(store.get(&b).await.unwrap().unwrap(), b"three");
}

#[tokio::test]
async fn a_server_that_is_gone_makes_every_operation_fail_in_time() {
    let server = RedisServer::start();
    let store = RedisStore::connect(&options(&server.url())).await.unwrap();
    drop(server);
    for _ in 0..2 {
        let swapped = tokio::time::timeout(HANG, store.swap(&key("a"), b"two", LONG)).await;
        assert_unavailable(swapped.expect("swap hangs"));
        let read = tokio::time::timeout(HANG, store.get(&key("a"))).await;
        assert_unavailable(read.expect("get hangs"));
        let named = tokio::time::timeout(HANG, store.incarnation()).await;
        assert_unavailable(named.expect("incarnation hangs"));
    }
}

#[tokio::test]
async fn what_the_server_says_about_a_record_is_not_repeated() {
    let options = options(servers::shared_url());
    let store = RedisStore::connect(&options).await.unwrap();
    store.put(&key("a"), b"a secret", LONG).await.unwrap();
    let error = store.hit(&key("a"), LONG).await.unwrap_err();
    assert!(!said(&error).contains("secret"), "{}", said(&error));
    assert_unavailable(Err::<(), _>(error));
}

fn key(name: &str) -> StateKey {
    StateKey::new(Kind::Code, name)
}

fn with_ca(server: &RedisServer, url: &str) -> RedisOptions {
    RedisOptions {
        ca_file: Some(server.ca_file()),
        ..options(url)
    }
}

async fn refusal(options: &RedisOptions) -> ConnectError {
    let connected = tokio::time::timeout(HANG, RedisStore::connect(options)).await;
    connected
        .expect("connecting hangs")
        .err()
        .expect("we are let in")
}

async fn raw(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Sends an operator's command.
async fn order<T: redis::FromRedisValue>(connection: &mut MultiplexedConnection, words: &str) -> T {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    command.arg(words.collect::<Vec<_>>());
    command.query_async(connection).await.unwrap()
}

fn assert_unavailable<T: std::fmt::Debug>(answer: Result<T, StateError>) {
    let error = answer.unwrap_err();
    assert!(matches!(error, StateError::Unavailable(_)), "{error:?}");
}

/// All that an error shows, with its sources.
fn said(error: &dyn std::error::Error) -> String {
    let source = error.source().map_or_else(String::new, said);
    format!("{error} {error:?} {source}")
}
