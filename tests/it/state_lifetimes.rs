//! Everything that requests leave in the state store leaves it by itself, and how much that is.

use std::collections::BTreeMap;

use countersign::{application::ports::Clock as _, infrastructure::clock::SystemClock};
use redis::aio::MultiplexedConnection;

use super::support::{
    app::{Browser, Stage, TestApp, USERNAME, hidden_fields, settings},
    redis::RedisServer,
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// A record: how long it stays, milliseconds, and how many bytes it holds.
struct Left {
    stays: i64,
    bytes: usize,
}

/// A provider beside a Redis server of its own.
struct Rig {
    app: TestApp,
    connection: MultiplexedConnection,
    _server: RedisServer,
}

impl Rig {
    async fn start() -> Self {
        let server = tokio::task::spawn_blocking(RedisServer::start)
            .await
            .unwrap();
        let app = TestApp::start_on(Stage::Servers, Some(server.url()), settings(), |_| ()).await;
        // tower-sessions reckons from the wall clock, from which the tests' own may be minutes away.
        app.clock.set(SystemClock.now());
        let client = redis::Client::open(server.url()).unwrap();
        Self {
            app,
            connection: client.get_multiplexed_async_connection().await.unwrap(),
            _server: server,
        }
    }

    /// What is in the store, by kind.
    async fn left(&mut self) -> BTreeMap<String, Vec<Left>> {
        let connection = &mut self.connection;
        let keys = redis::cmd("KEYS").arg("*").query_async(connection).await;
        let keys: Vec<String> = keys.unwrap();
        let mut left: BTreeMap<String, Vec<Left>> = BTreeMap::new();
        for key in keys {
            let stays = redis::cmd("PTTL").arg(&key).query_async(connection).await;
            let bytes = redis::cmd("STRLEN").arg(&key).query_async(connection).await;
            let kind = key.rsplit(':').nth(1).unwrap().to_owned();
            left.entry(kind).or_default().push(Left {
                stays: stays.unwrap(),
                bytes: bytes.unwrap(),
            });
        }
        left
    }
}

/// The longest that records of a kind may stay, milliseconds.
fn longest(kind: &str) -> i64 {
    match kind {
        // The tombstone that notices a replay.
        "code" => 11 * MINUTE,
        "interaction" => 31 * MINUTE,
        // As long as a token of ten minutes, or the mark of one that was ended.
        "access" | "revoked" => 15 * MINUTE,
        // Without use.
        "family" => 14 * DAY,
        // What tower-sessions gives one that ends with its browser.
        "session" => 14 * DAY + MINUTE,
        "pulse" => 365 * DAY,
        // Windows of counters, and whatever else is of the moment.
        _ => 60 * MINUTE,
    }
}

#[tokio::test]
async fn whatever_requests_leave_in_the_state_store_ends_by_itself() {
    let mut rig = Rig::start().await;
    let app = &rig.app;
    app.change_client("other", |client| {
        client.tokens.access_token_format = countersign::domain::client::AccessTokenFormat::Opaque;
    })
    .await;
    // A login that fails, one that nobody finishes, a sign-in, a rotation, a revocation.
    let mut browser = Browser::new(app);
    let page = browser.authorize("web", &[]).await;
    let page = browser.get(page.location()).await;
    assert!(!hidden_fields(&page.body).is_empty());
    browser.log_in(&page.body, USERNAME, "wrong").await;
    for client in ["web", "other"] {
        let tokens = app.tokens(client, "openid offline_access").await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let next = app.post_as(client, "/oauth2/token", &fields).await.json();
        let access = next["access_token"].as_str().unwrap();
        app.post_as(client, "/oauth2/revoke", &[("token", access)])
            .await;
    }
    let left = rig.left().await;
    for kind in ["access", "code", "counter", "family", "revoked", "session"] {
        assert!(left.contains_key(kind), "no {kind} was made");
    }
    for (kind, records) in &left {
        for Left { stays, .. } in records {
            assert!((1..=longest(kind)).contains(stays), "{kind}: {stays} ms");
        }
    }
}

/// The figures of docs/performance.md ("State and rows of a sign-in").
#[tokio::test]
async fn a_sign_in_leaves_as_much_as_is_documented() {
    let mut rig = Rig::start().await;
    rig.app
        .change_client("web", |client| {
            client.tokens.access_token_format =
                countersign::domain::client::AccessTokenFormat::Opaque;
        })
        .await;
    rig.app
        .tokens("web", "openid profile email offline_access")
        .await;
    let left = rig.left().await;
    let mut measured = Vec::new();
    // Counters are of the address, the pulse of everybody.
    let own = |kind: &str| !matches!(kind, "pulse" | "counter");
    for (kind, records) in left.iter().filter(|(kind, _)| own(kind)) {
        let bytes: usize = records.iter().map(|record| record.bytes).sum();
        measured.push((kind.as_str(), records.len(), bytes));
    }
    println!("{measured:?}");
    for (kind, count, bytes) in measured {
        let (most, limit) = match kind {
            "session" => (1, 450),
            "family" => (1, 600),
            "access" => (1, 500),
            "code" => (1, 40),
            "interaction" => (2, 400),
            other => panic!("a sign-in leaves {count} of {other}"),
        };
        assert!(
            count <= most && bytes <= limit,
            "{kind}: {count}, {bytes} bytes"
        );
    }
}
