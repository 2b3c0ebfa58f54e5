//! How much may be asked in a minute, and what strangers can make us write.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
};
use countersign::{application::settings::RequestLimits, domain::event::AuditEvent};

use super::{
    guard::server_config,
    support::{
        app::{
            Answer, Browser, PASSWORD, SECRET, Stage, TestApp, authorize_uri, basic, encode, form,
            hidden_fields, on_both, send, settings,
        },
        redis::RedisServer,
    },
};

const HOME: &str = "192.0.2.7";
const ELSEWHERE: &str = "198.51.100.9";
const SERVICE: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// A node behind its guard, so that callers have addresses.
struct Node(Router);

impl Node {
    fn of(app: &countersign::app::App) -> Self {
        Self(app.guarded_router(&server_config()))
    }

    async fn send(&self, address: &str, mut request: Request<Body>) -> Answer {
        let peer = SocketAddr::new(address.parse().unwrap(), 4711);
        request.extensions_mut().insert(ConnectInfo(peer));
        send(&self.0, request).await
    }

    async fn post(&self, address: &str, uri: &str, (client, secret): (&str, &str)) -> Answer {
        let mut fields = SERVICE.to_vec();
        fields.push(("token", "unknown"));
        let request = form(uri, &fields).header(header::AUTHORIZATION, basic(client, secret));
        let body = Body::from(encode(&fields));
        self.send(address, request.body(body).unwrap()).await
    }

    async fn token(&self, address: &str) -> Answer {
        self.post(address, "/oauth2/token", ("service", SECRET))
            .await
    }
}

/// An application where one endpoint or caller is limited to a few requests.
async fn limited(stage: Stage, change: impl FnOnce(&mut RequestLimits)) -> TestApp {
    TestApp::start_with(stage, |settings| {
        settings.request_limits = RequestLimits::OFF;
        change(&mut settings.request_limits);
    })
    .await
}

#[track_caller]
fn assert_limited(answer: &Answer, policy: &str, quota: u64) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(
        answer.header("ratelimit-policy"),
        format!("\"{policy}\";q={quota};w=60")
    );
    assert_eq!(
        answer.header("ratelimit"),
        format!("\"{policy}\";r=0;t={wait}")
    );
}

#[tokio::test]
async fn an_address_that_asks_too_much_is_told_when_to_come_back() {
    for stage in [Stage::Embedded, Stage::Servers] {
        let app = limited(stage, |limits| {
            limits.token = Some(3);
            limits.introspection = Some(3);
            limits.revocation = Some(3);
            limits.network_factor = 100;
        })
        .await;
        let node = Node::of(&app.app);
        for (uri, client) in [
            ("/oauth2/token", "service"),
            ("/oauth2/introspect", "web"),
            ("/oauth2/revoke", "web"),
        ] {
            for left in [2, 1, 0] {
                let answer = node.post(HOME, uri, (client, SECRET)).await;
                assert_eq!(answer.status, StatusCode::OK, "{uri}: {}", answer.body);
                assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=3;w=60");
                let standing = answer.header("ratelimit");
                assert!(
                    standing.starts_with(&format!("\"address\";r={left};t=")),
                    "{standing}"
                );
            }
            let answer = node.post(HOME, uri, (client, SECRET)).await;
            assert_limited(&answer, "address", 3);
            assert_eq!(answer.json()["error"], "temporarily_unavailable");
            assert_eq!(answer.header("cache-control"), "no-store");
            let elsewhere = node.post(ELSEWHERE, uri, (client, SECRET)).await;
            assert_eq!(elsewhere.status, StatusCode::OK);
        }
        app.clock.advance(Duration::from_mins(1));
        assert_eq!(node.token(HOME).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn nodes_count_together() {
    let app = limited(Stage::Servers, |limits| limits.token = Some(6)).await;
    let other = app.another_node().await;
    let nodes = [Node::of(&app.app), Node::of(&other)];
    let mut answered = 0;
    for n in 0..12 {
        let answer = nodes[n % 2].token(HOME).await;
        answered += usize::from(answer.status == StatusCode::OK);
    }
    assert_eq!(answered, 6);
}

#[tokio::test]
async fn a_network_of_many_addresses_shares_a_larger_quota() {
    let app = limited(Stage::Embedded, |limits| {
        limits.token = Some(3);
        limits.network_factor = 4;
    })
    .await;
    let node = Node::of(&app.app);
    for n in 0..12 {
        let answer = node.token(&format!("2001:db8:1:{n}::1")).await;
        assert_eq!(answer.status, StatusCode::OK, "{n}");
    }
    assert_limited(&node.token("2001:db8:1:ffff::1").await, "network", 12);
    assert_eq!(node.token("2001:db8:2::1").await.status, StatusCode::OK);
    for n in 0..12 {
        node.token(&format!("203.0.113.{n}")).await;
    }
    assert_limited(&node.token("203.0.113.200").await, "network", 12);
}

#[tokio::test]
async fn a_client_is_counted_once_it_has_proved_who_it_is_and_by_its_own_setting() {
    let app = limited(Stage::Embedded, |limits| limits.client = Some(4)).await;
    app.change_client("service", |client| client.requests_per_minute = Some(2))
        .await;
    let node = Node::of(&app.app);
    let call = |client: &'static str, secret: &'static str| {
        node.post(HOME, "/oauth2/token", (client, secret))
    };
    for _ in 0..10 {
        call("service", "wrong")
            .await
            .assert_error(401, "invalid_client");
    }
    for _ in 0..2 {
        assert_eq!(call("service", SECRET).await.status, StatusCode::OK);
    }
    assert_limited(&call("service", SECRET).await, "client", 2);
    let answer = node
        .post(ELSEWHERE, "/oauth2/token", ("service", SECRET))
        .await;
    assert_limited(&answer, "client", 2);
    for _ in 0..4 {
        assert_eq!(call("web", SECRET).await.status, StatusCode::OK);
    }
    assert_limited(&call("web", SECRET).await, "client", 4);
    // Each endpoint has a count of its own.
    let answer = node.post(HOME, "/oauth2/revoke", ("web", SECRET)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn people_who_ask_too_much_get_a_page() {
    let app = limited(Stage::Embedded, |limits| {
        limits.authorization = Some(2);
        limits.login = Some(2);
    })
    .await;
    let node = Node::of(&app.app);
    let authorize = || {
        Request::get(authorize_uri("web", &[]))
            .body(Body::empty())
            .unwrap()
    };
    let form = || {
        let request = form("/login", &[]);
        request.body(Body::from("username=a&password=b")).unwrap()
    };
    for _ in 0..2 {
        assert_eq!(
            node.send(HOME, authorize()).await.status,
            StatusCode::SEE_OTHER
        );
        assert_ne!(
            node.send(HOME, form()).await.status,
            StatusCode::TOO_MANY_REQUESTS
        );
    }
    for request in [authorize(), form()] {
        let answer = node.send(HOME, request).await;
        assert_limited(&answer, "address", 2);
        answer.assert_page(429);
    }
}

#[tokio::test]
async fn an_account_is_counted_wherever_it_is_signed_in() {
    let app = limited(Stage::Embedded, |limits| limits.account = Some(3)).await;
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    for _ in 0..3 {
        let answer = browser.authorize("web", &[]).await;
        assert!(answer.location_param("code").is_some(), "{answer:?}");
    }
    assert_limited(&browser.authorize("web", &[]).await, "account", 3);
    let mut stranger = Browser::new(&app);
    assert_eq!(
        stranger.authorize("web", &[]).await.status,
        StatusCode::SEE_OTHER
    );
}

/// A Redis server of its own, and what it says of itself.
async fn own_redis() -> (TestApp, redis::aio::MultiplexedConnection, RedisServer) {
    let server = tokio::task::spawn_blocking(RedisServer::start)
        .await
        .unwrap();
    let app = TestApp::start_on(Stage::Servers, Some(server.url()), settings(), |_| ()).await;
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    (app, connection, server)
}

async fn keys(redis: &mut redis::aio::MultiplexedConnection) -> u64 {
    redis::cmd("DBSIZE").query_async(redis).await.unwrap()
}

#[tokio::test]
async fn a_caller_far_below_its_quota_costs_the_store_nothing() {
    let (app, mut redis, _server) = own_redis().await;
    let node = Node::of(&app.app);
    node.token(HOME).await;
    let before = keys(&mut redis).await;
    for _ in 0..100 {
        assert_eq!(node.token(HOME).await.status, StatusCode::OK);
    }
    assert_eq!(keys(&mut redis).await, before);
}

#[tokio::test]
async fn a_request_that_nobody_finishes_is_kept_nowhere() {
    let (app, mut redis, _server) = own_redis().await;
    app.get(&authorize_uri("web", &[])).await;
    let before = keys(&mut redis).await;
    for n in 0..200 {
        let state = format!("{n}{}", "s".repeat(1_000));
        let answer = app.get(&authorize_uri("web", &[("state", &state)])).await;
        assert!(answer.location().starts_with("/login?"), "{answer:?}");
        assert!(answer.location().len() < 8 * 1024);
    }
    assert_eq!(keys(&mut redis).await, before);
}

async fn events(app: &TestApp, kind: &str) -> Vec<AuditEvent> {
    let page = countersign::application::ports::Page {
        after: None,
        limit: 10_000,
    };
    let events = app.ports().store.reader().events(&page).await.unwrap();
    events
        .into_iter()
        .filter(|event| event.kind.as_str() == kind)
        .collect()
}

/// The number that the last line of this kind tells of.
async fn more(app: &TestApp, kind: &str) -> u64 {
    let events = events(app, kind).await;
    events.last().unwrap().detail["more"]
        .as_u64()
        .unwrap_or_default()
}

on_both! {
    async fn refused_clients_make_two_lines_a_minute(app: TestApp) {
        let node = Node::of(&app.app);
        for _ in 0..50 {
            let answer = node.post(HOME, "/oauth2/token", ("service", "wrong")).await;
            answer.assert_error(401, "invalid_client");
        }
        // Names that nobody has are one, whatever is thought of.
        for n in 0..50 {
            let name = format!("nobody-{n}");
            node.post(HOME, "/oauth2/introspect", (&name, "wrong")).await.assert_error(401, "invalid_client");
        }
        let first = events(&app, "client.rejected").await;
        assert_eq!(first.len(), 2, "{first:?}");
        let known = first.iter().find_map(|event| event.client.as_ref());
        assert_eq!(known.unwrap().as_str(), "service");
        assert!(first.iter().all(|event| event.address.as_deref() == Some(HOME)), "{first:?}");
        app.ports().close_refusals().await.unwrap();
        assert_eq!(events(&app, "client.rejected").await.len(), 2, "the minute is not over");
        app.clock.advance(Duration::from_mins(1));
        app.ports().close_refusals().await.unwrap();
        let all = events(&app, "client.rejected").await;
        assert_eq!(all.len(), 4);
        assert_eq!(all.iter().filter(|event| event.detail["more"] == 49).count(), 2, "{all:?}");
        app.ports().close_refusals().await.unwrap();
        assert_eq!(events(&app, "client.rejected").await.len(), 4);
    }

    async fn replays_that_change_nothing_share_a_line(app: TestApp) {
        let mut browser = Browser::new(&app);
        let code = browser.code("spa", &[]).await;
        assert_eq!(app.redeem("spa", &code).await.status, StatusCode::OK);
        for _ in 0..20 {
            app.redeem("spa", &code).await.assert_error(400, "invalid_grant");
        }
        assert_eq!(events(&app, "code.replayed").await.len(), 2);
        assert_eq!(events(&app, "grant.revoked").await.len(), 1);
        app.clock.advance(Duration::from_mins(1));
        app.ports().close_refusals().await.unwrap();
        assert_eq!(events(&app, "code.replayed").await.len(), 3);
        assert_eq!(more(&app, "code.replayed").await, 18);
    }

    async fn a_token_at_the_wrong_client_makes_no_line_each_time(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let token = tokens["refresh_token"].as_str().unwrap();
        for _ in 0..20 {
            app.refresh("other", token).await.assert_error(400, "invalid_grant");
        }
        assert_eq!(events(&app, "refresh.misused").await.len(), 1);
    }

    async fn names_that_nobody_has_fill_no_trail(app: TestApp) {
        let mut browser = Browser::new(&app);
        let begun = browser.authorize("web", &[]).await;
        let page = browser.get(begun.location()).await.body;
        for n in 0..20 {
            let answer = browser.log_in(&page, &format!("nobody-{n}"), PASSWORD).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        assert_eq!(events(&app, "login.failed").await.len(), 1);
        app.clock.advance(Duration::from_mins(1));
        app.ports().close_refusals().await.unwrap();
        assert_eq!(more(&app, "login.failed").await, 19);
    }

    async fn whoever_declines_without_a_login_writes_nothing(app: TestApp) {
        let before = app.events().await;
        for _ in 0..5 {
            let mut browser = Browser::new(&app);
            let begun = browser.authorize("web", &[]).await;
            let page = browser.get(begun.location()).await.body;
            let fields = hidden_fields(&page);
            let mut fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            fields.push(("decision", "cancel"));
            browser.post("/consent", &fields).await.assert_redirected_error("access_denied");
        }
        assert_eq!(app.events().await, before);
    }

    async fn a_request_too_long_to_travel_is_refused_at_its_application(app: TestApp) {
        let long = "n".repeat(2_040);
        let fits = app.get(&authorize_uri("web", &[("state", &long), ("nonce", &long)])).await;
        assert!(fits.location().starts_with("/login?"), "{}", fits.location());
        // As JSON these are twice as long.
        let long = "\"".repeat(2_040);
        let answer = app.get(&authorize_uri("web", &[("state", &long), ("nonce", &long)])).await;
        answer.assert_redirected_error("invalid_request");
        assert_eq!(answer.location_param("state").as_deref(), Some(long.as_str()));
    }
}

#[tokio::test]
async fn c121_a_flood_of_registrations_is_put_off() {
    for stage in [Stage::Embedded, Stage::Servers] {
        let app = TestApp::start_with(stage, |settings| {
            settings.features.registration = true;
            settings.request_limits = RequestLimits::OFF;
            settings.request_limits.login = Some(3);
            settings.request_limits.network_factor = 100;
        })
        .await;
        let node = Node::of(&app.app);
        let register = || {
            let metadata = r#"{"redirect_uris": ["https://rp.example/cb"]}"#;
            let request = Request::post("/oauth2/register");
            let request = request.header(header::CONTENT_TYPE, "application/json");
            request.body(Body::from(metadata)).unwrap()
        };
        for _ in 0..3 {
            let answer = node.send(HOME, register()).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        }
        let answer = node.send(HOME, register()).await;
        assert_limited(&answer, "address", 3);
        let elsewhere = node.send(ELSEWHERE, register()).await;
        assert_eq!(elsewhere.status, StatusCode::CREATED);
    }
}
