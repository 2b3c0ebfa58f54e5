//! OIDC Core §10.1.1, RFC 7591 §2 — keys of clients at their `jwks_uri`.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    application::ports::Clock as _,
    domain::client::{AssertionAudience, ClientAuthentication},
};
use serde_json::{Value, json};

use super::support::{
    app::{Answer, ISSUER, Stage, TestApp},
    keys::Key,
    listener::Listener,
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const STAGES: [Stage; 2] = [Stage::Embedded, Stage::Servers];

/// A provider, and `web` with its keys at the listener.
async fn app(stage: Stage, listener: &Listener) -> TestApp {
    let networks = ["127.0.0.0/8", "::1/128"];
    let app = TestApp::start_reaching(stage, &networks, listener.authority.path()).await;
    keys_at(&app, listener.url("/jwks")).await;
    app
}

async fn keys_at(app: &TestApp, uri: String) {
    app.change_client("web", |client| {
        client.authentication = ClientAuthentication::PrivateKeyJwt {
            jwks: json!({ "keys": [] }),
            algorithm: None,
            audience: AssertionAudience::Issuer,
        };
        client.keys.jwks_uri = Some(uri);
    })
    .await;
}

/// A token request with an assertion that `key` signed.
async fn ask(app: &TestApp, key: &Key) -> Answer {
    let now = app.clock.now().0;
    let jti = app.ports().identifier();
    let claims = json!({ "iss": "web", "sub": "web", "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60 });
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", &key.sign(&claims)),
    ];
    app.post("/oauth2/token", &fields).await
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept_for_a_while() {
    for stage in STAGES {
        let (listener, key) = (Listener::start().await, Key::new("a"));
        let app = app(stage, &listener).await;
        listener.serves(key.set().to_string());
        for _ in 0..5 {
            assert_eq!(ask(&app, &key).await.status.as_u16(), 200);
        }
        assert_eq!(listener.asked(), 1);
    }
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_but_not_more_often_than_every_quarter_of_a_minute() {
    let (listener, old, new) = (Listener::start().await, Key::new("a"), Key::new("b"));
    let app = app(Stage::Embedded, &listener).await;
    listener.serves(old.set().to_string());
    assert_eq!(ask(&app, &old).await.status.as_u16(), 200);
    listener.serves(json!({ "keys": [old.public, new.public] }).to_string());
    app.clock.advance(Duration::from_secs(20));
    assert_eq!(ask(&app, &new).await.status.as_u16(), 200);
    assert_eq!(listener.asked(), 2);
    // Whoever sends rubbish makes us ask nobody.
    let stranger = Key::new("c");
    for _ in 0..20 {
        ask(&app, &stranger)
            .await
            .assert_error(401, "invalid_client");
    }
    assert_eq!(listener.asked(), 0);
    app.clock.advance(Duration::from_secs(20));
    for _ in 0..20 {
        ask(&app, &stranger)
            .await
            .assert_error(401, "invalid_client");
    }
    assert_eq!(listener.asked(), 1);
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_dead_within_five_minutes() {
    for stage in STAGES {
        let (listener, gone, kept) = (Listener::start().await, Key::new("a"), Key::new("b"));
        let app = app(stage, &listener).await;
        listener.serves(json!({ "keys": [gone.public, kept.public] }).to_string());
        assert_eq!(ask(&app, &gone).await.status.as_u16(), 200);
        listener.serves(kept.set().to_string());
        app.clock.advance(Duration::from_mins(5));
        ask(&app, &gone).await.assert_error(401, "invalid_client");
        assert_eq!(ask(&app, &kept).await.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_any_more_are_not_believed_for_long() {
    let (listener, key) = (Listener::start().await, Key::new("a"));
    let app = app(Stage::Embedded, &listener).await;
    listener.serves(key.set().to_string());
    assert_eq!(ask(&app, &key).await.status.as_u16(), 200);
    listener.answers(StatusCode::SERVICE_UNAVAILABLE);
    app.clock.advance(Duration::from_mins(2));
    assert_eq!(ask(&app, &key).await.status.as_u16(), 200);
    app.clock.advance(Duration::from_mins(3));
    ask(&app, &key)
        .await
        .assert_error(503, "temporarily_unavailable");
    listener.answers(StatusCode::OK);
    app.clock.advance(Duration::from_secs(20));
    assert_eq!(ask(&app, &key).await.status.as_u16(), 200);
}

#[tokio::test]
async fn c083_c114_c115_bad_sets_redirects_and_streams_without_end_are_refused() {
    let key = Key::new("a");
    let weak = json!({ "keys": [{ "kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB" }] });
    let secret = json!({ "keys": [{ "kty": "oct", "kid": "a", "k": "c2VjcmV0" }] });
    for content in [
        weak.to_string(),
        secret.to_string(),
        "[]".into(),
        "<html>".into(),
        String::new(),
    ] {
        let listener = Listener::start().await;
        let app = app(Stage::Embedded, &listener).await;
        listener.serves(content);
        ask(&app, &key)
            .await
            .assert_error(503, "temporarily_unavailable");
        assert_eq!(listener.asked(), 1);
    }
    let listener = Listener::start().await;
    let app = app(Stage::Embedded, &listener).await;
    listener.serves(key.set().to_string());
    listener.answers(StatusCode::FOUND);
    ask(&app, &key)
        .await
        .assert_error(503, "temporarily_unavailable");
    listener.answers(StatusCode::OK);
    listener.never_ends();
    app.clock.advance(Duration::from_secs(20));
    ask(&app, &key)
        .await
        .assert_error(503, "temporarily_unavailable");

    let listener = Listener::start().await;
    listener.serves(key.set().to_string());
    let closed = TestApp::start_reaching(Stage::Embedded, &[], listener.authority.path()).await;
    for uri in [
        listener.url("/jwks"),
        listener.url("/jwks").replace("localhost", "127.0.0.1"),
    ] {
        keys_at(&closed, uri).await;
        ask(&closed, &key)
            .await
            .assert_error(503, "temporarily_unavailable");
    }
    assert_eq!(listener.asked(), 0);
}

#[tokio::test]
async fn a_hundred_requests_at_once_fetch_once() {
    let (listener, key) = (Listener::start().await, Key::new("a"));
    let app = app(Stage::Embedded, &listener).await;
    listener.serves(key.set().to_string());
    let answers = futures_util::future::join_all((0..100).map(|_| ask(&app, &key))).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 200));
    assert_eq!(listener.asked(), 1);
}

#[tokio::test]
async fn a_client_that_registers_itself_brings_keys_or_says_where_they_are() {
    let (listener, key) = (Listener::start().await, Key::new("a"));
    let app = TestApp::start_with(Stage::Embedded, |settings| {
        settings.features.registration = true;
    })
    .await;
    let register = async |metadata: Value| {
        let request = axum::http::Request::post("/oauth2/register")
            .header("content-type", "application/json");
        app.send(
            request
                .body(axum::body::Body::from(metadata.to_string()))
                .unwrap(),
        )
        .await
    };
    let base = json!({ "redirect_uris": ["https://rp.example/cb"], "token_endpoint_auth_method": "private_key_jwt" });
    let with = |more: Value| {
        let mut metadata = base.clone();
        metadata
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        metadata
    };
    let by_value = register(with(json!({ "jwks": key.set() }))).await;
    assert_eq!(by_value.status.as_u16(), 201, "{}", by_value.body);
    assert_eq!(by_value.json()["jwks"], key.set());
    let uri = "https://rp.example/jwks";
    let by_address = register(with(json!({ "jwks_uri": uri }))).await;
    assert_eq!(by_address.status.as_u16(), 201, "{}", by_address.body);
    assert_eq!(
        (&by_address.json()["jwks_uri"], &by_address.json()["jwks"]),
        (&json!(uri), &Value::Null)
    );
    for bad in [
        json!({}),
        json!({ "jwks": key.set(), "jwks_uri": uri }),
        json!({ "jwks_uri": "http://rp.example/jwks" }),
        json!({ "jwks_uri": "https://127.0.0.1/jwks" }),
        json!({ "jwks_uri": "https://[::ffff:10.0.0.1]/jwks" }),
        json!({ "jwks": { "keys": [] } }),
    ] {
        register(with(bad))
            .await
            .assert_error(400, "invalid_client_metadata");
    }
    assert_eq!(listener.asked(), 0);
}
