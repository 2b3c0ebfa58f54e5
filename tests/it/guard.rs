//! The guard around the real routes: foreign hosts, cross-origin scripts, and what reaches the log.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::config::ServerConfig;
use tracing_subscriber::layer::SubscriberExt as _;

use super::support::app::{
    Browser, PASSWORD, SECRET, Stage, TestApp, authorize_uri, basic, encode, send,
};

/// Any listener's settings: the requests of these tests reach the router without one.
pub(crate) fn server_config() -> ServerConfig {
    ServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        trusted_proxies: Vec::new(),
        max_connections: 1,
        max_connections_per_address: 1,
        head_timeout: Duration::from_hours(1),
        body_timeout: Duration::from_hours(1),
        drain: Duration::ZERO,
        request_timeout: Duration::from_hours(1),
        shutdown_timeout: Duration::ZERO,
    }
}

fn guarded(app: &TestApp) -> Router {
    app.app.guarded_router(&server_config())
}

#[tokio::test]
async fn c151_the_host_that_a_request_names_is_never_repeated() {
    let app = TestApp::start(Stage::Embedded).await;
    let router = guarded(&app);
    for uri in [
        "/.well-known/openid-configuration".to_owned(),
        "/".to_owned(),
        "/nothing".to_owned(),
        authorize_uri("web", &[]),
        authorize_uri("web", &[("redirect_uri", "https://elsewhere.example/cb")]),
    ] {
        let request = Request::get(&uri)
            .header(header::HOST, "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "http")
            .header("forwarded", "host=evil.example");
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        let told = format!("{:?} {}", answer.headers, answer.body);
        assert!(!told.contains("evil.example"), "{uri}: {told}");
    }
}

#[tokio::test]
async fn a_script_of_a_client_may_ask_for_tokens_as_long_as_the_client_is_active() {
    use countersign::domain::client::ClientStatus;

    let app = TestApp::start(Stage::Embedded).await;
    let router = guarded(&app);
    let ask = async || {
        let request = Request::post("/oauth2/token")
            .header(header::ORIGIN, "https://rp.example")
            .body(Body::empty())
            .unwrap();
        let answer = send(&router, request).await;
        answer.header("access-control-allow-origin").to_owned()
    };
    assert_eq!(ask().await, "https://rp.example");
    for client in ["web", "spa", "post", "service", "other"] {
        let retire = |client: &mut countersign::domain::client::Client| {
            client.status = ClientStatus::Inactive;
        };
        app.change_client(client, retire).await;
    }
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(ask().await, "");
}

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

/// Runs everything that handles a secret, well and badly, and returns the secrets.
async fn handle_secrets(app: &TestApp) -> Vec<String> {
    let router = guarded(app);
    let mut browser = Browser::new(app);
    let page = browser
        .authorize("web", &[("scope", "openid offline_access")])
        .await;
    let page = browser.get(page.location()).await;
    let wrong = browser
        .log_in(&page.body, "alice", "canary-of-a-typed-password")
        .await;
    assert_ne!(wrong.status, StatusCode::INTERNAL_SERVER_ERROR);
    let code = browser
        .code("web", &[("scope", "openid offline_access")])
        .await;
    let tokens = app.redeem("web", &code).await.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (access, refresh, id) = (
        text("access_token"),
        text("refresh_token"),
        text("id_token"),
    );
    let replay = app.redeem("web", &code).await;
    replay.assert_error(400, "invalid_grant");
    app.refresh("other", &refresh)
        .await
        .assert_error(400, "invalid_grant");
    let fields = [("token", access.as_str())];
    for uri in ["/oauth2/introspect", "/oauth2/revoke"] {
        app.post_as("web", uri, &fields).await;
    }
    for request in [
        Request::get(format!("/oauth2/userinfo?access_token={access}")).body(Body::empty()),
        Request::get("/oauth2/userinfo")
            .header(header::AUTHORIZATION, format!("Bearer {access}"))
            .body(Body::empty()),
        Request::get(format!("/oauth2/logout?id_token_hint={id}")).body(Body::empty()),
        Request::post("/oauth2/token")
            .header(
                header::AUTHORIZATION,
                basic("web", "canary-of-a-wrong-secret-0123456789"),
            )
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(encode(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", &refresh),
            ]))),
    ] {
        send(&router, request.unwrap()).await;
    }
    let mut secrets = vec![code, access, refresh, id];
    secrets.extend(browser.cookies.into_values());
    for known in [
        SECRET,
        PASSWORD,
        "canary-of-a-typed-password",
        "canary-of-a-wrong-secret-0123456789",
    ] {
        secrets.push(known.to_owned());
    }
    secrets
}

#[tokio::test]
async fn c175_no_secret_reaches_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(move || writer.clone());
    let filter: tracing_subscriber::filter::Targets = "debug,countersign=trace".parse().unwrap();
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    let _guard = crate::support::log::listen(subscriber);

    let app = TestApp::start(Stage::Embedded).await;
    let secrets = handle_secrets(&app).await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("request refused"),
        "the log was not captured"
    );
    for secret in secrets {
        assert!(!logged.contains(&secret), "{secret} is in the log");
    }
}
