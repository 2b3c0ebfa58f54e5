//! OIDC Core §6, RFC 9101 — authorization requests as signed JWTs.

use std::time::Duration;

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    application::ports::Clock as _,
    domain::{algorithm::SigningAlgorithm, client::ResponseMode},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::support::{
    app::{Answer, Browser, CALLBACK, ISSUER, Stage, TestApp, claims, on_both},
    keys::Key,
    listener::Listener,
};

/// Lets `web` sign its requests with this key.
async fn with_key(app: &TestApp, key: &Key) {
    app.change_client("web", |client| client.keys.jwks = Some(key.set()))
        .await;
}

async fn ask(app: &TestApp, fields: &[(&str, &str)]) -> Answer {
    let mut browser = Browser::new(app);
    let answer = browser.authorize("web", fields).await;
    browser.finish(answer).await
}

on_both! {
    async fn what_the_object_says_wins_and_the_rest_stands_beside_it(app: TestApp) {
        let key = Key::new("a");
        with_key(&app, &key).await;
        let object = key.sign(&json!({
            "iss": "web", "aud": ISSUER, "client_id": "web", "response_type": "code",
            "redirect_uri": CALLBACK, "state": "inside", "nonce": "signed", "max_age": 1000,
            "claims": { "id_token": { "email": null } },
        }));
        let beside = [("request", object.as_str()), ("state", "outside"), ("redirect_uri", "https://evil.example/cb")];
        let answer = ask(&app, &beside).await;
        assert!(answer.location().starts_with(CALLBACK), "{}", answer.location());
        assert_eq!(answer.location_param("state").as_deref(), Some("inside"));
        let tokens = app.redeem("web", &answer.location_param("code").unwrap()).await.json();
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!(id_token["nonce"], "signed");
        assert!(id_token["email"].is_string());
    }
}

on_both! {
    async fn c022_c023_whatever_no_key_of_the_client_signed_is_refused(app: TestApp) {
        let (key, stranger) = (Key::new("a"), Key::new("a"));
        with_key(&app, &key).await;
        let asked = json!({ "client_id": "web", "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid" });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&asked));
        let mut cut = key.sign(&asked);
        cut.truncate(cut.len() - 4);
        let typed = key.sign_as(&asked, &[("typ", json!("at+jwt"))]);
        for object in [none, stranger.sign(&asked), cut, typed, asked.to_string(), encode(&asked), "a.b.c.d.e".into()] {
            let answer = Browser::new(&app).authorize("web", &[("request", object.as_str())]).await;
            answer.assert_redirected_error("invalid_request_object");
        }
        app.change_client("web", |client| client.request_objects.algorithm = Some(SigningAlgorithm::Ps256.into())).await;
        let other = key.sign(&asked);
        let answer = Browser::new(&app).authorize("web", &[("request", other.as_str())]).await;
        answer.assert_redirected_error("invalid_request_object");
    }
}

on_both! {
    async fn c024_c025_an_object_that_is_not_about_this_request_is_refused(app: TestApp) {
        let key = Key::new("a");
        with_key(&app, &key).await;
        let now = app.clock.now().0;
        for (name, value) in [
            ("client_id", json!("other")),
            ("response_type", json!("id_token")),
            ("iss", json!("other")),
            ("aud", json!("https://other.example")),
            ("aud", json!(["https://other.example"])),
            ("aud", json!(7)),
            ("exp", json!(now)),
            ("exp", json!(now - 1)),
            ("nbf", json!(now + 120)),
            ("exp", json!("tomorrow")),
            ("sub", json!("web")),
            ("request", json!("x")),
            ("request_uri", json!("https://rp.example/r")),
        ] {
            let object = key.sign(&json!({ name: value }));
            let answer = Browser::new(&app).authorize("web", &[("request", object.as_str())]).await;
            answer.assert_redirected_error("invalid_request_object");
        }
        let fine = key.sign(&json!({ "aud": [ISSUER, "https://other.example"], "exp": now + 60, "nbf": now - 5 }));
        assert!(ask(&app, &[("request", fine.as_str())]).await.location_param("code").is_some());
        let both = [("request", fine.as_str()), ("request_uri", "https://rp.example/r")];
        Browser::new(&app).authorize("web", &both).await.assert_redirected_error("invalid_request");
    }
}

on_both! {
    async fn an_object_is_not_a_way_around_any_check(app: TestApp) {
        let key = Key::new("a");
        with_key(&app, &key).await;
        let object = key.sign(&json!({ "redirect_uri": "https://evil.example/cb" }));
        Browser::new(&app).authorize("web", &[("request", object.as_str())]).await.assert_page(400);
        app.change_client("web", |client| client.response_modes = [ResponseMode::Query].into()).await;
        let object = key.sign(&json!({ "response_mode": "form_post" }));
        Browser::new(&app).authorize("web", &[("request", object.as_str())]).await.assert_redirected_error("invalid_request");
        let object = key.sign(&json!({ "scope": ["openid", "email"] }));
        Browser::new(&app).authorize("web", &[("request", object.as_str())]).await.assert_redirected_error("invalid_request");
    }
}

#[tokio::test]
async fn an_object_is_fetched_from_where_it_is_registered_and_nowhere_else() {
    for stage in [Stage::Embedded, Stage::Servers] {
        let (listener, key) = (Listener::start().await, Key::new("a"));
        let networks = ["127.0.0.0/8", "::1/128"];
        let app = TestApp::start_reaching(stage, &networks, listener.authority.path()).await;
        with_key(&app, &key).await;
        let object = key.sign(&json!({ "state": "fetched" }));
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(&object));
        let (plain, hashed) = (listener.url("/r"), listener.url(&format!("/h#{hash}")));
        let registered = [plain.clone(), hashed.clone()];
        app.change_client("web", |client| {
            client.request_objects.uris = registered.into();
        })
        .await;
        listener.serves(object);
        for uri in [&plain, &hashed] {
            let answer = ask(&app, &[("request_uri", uri)]).await;
            assert_eq!(answer.location_param("state").as_deref(), Some("fetched"));
        }
        assert_eq!(listener.asked(), 2);
        let refused = async |uri: &str| {
            let answer = Browser::new(&app)
                .authorize("web", &[("request_uri", uri)])
                .await;
            answer.assert_redirected_error("invalid_request_uri");
        };
        for uri in [
            listener.url("/other"),
            listener.url("/r?x"),
            listener.url("/r#x"),
            listener.url("/h"),
        ] {
            refused(&uri).await;
        }
        assert_eq!(
            listener.asked(),
            0,
            "nobody is asked for what is not registered"
        );
        listener.answers(StatusCode::FOUND);
        refused(&plain).await;
        listener.answers(StatusCode::OK);
        listener.never_ends();
        refused(&plain).await;
    }
}

#[tokio::test]
async fn c114_an_object_is_not_fetched_from_inside() {
    let (listener, key) = (Listener::start().await, Key::new("a"));
    let app = TestApp::start_reaching(Stage::Embedded, &[], listener.authority.path()).await;
    with_key(&app, &key).await;
    listener.serves(key.sign(&json!({})));
    let uris = [
        listener.url("/r"),
        listener.url("/r").replace("localhost", "127.0.0.1"),
    ];
    app.change_client("web", |client| {
        client.request_objects.uris = uris.clone().into();
    })
    .await;
    for uri in &uris {
        let answer = Browser::new(&app)
            .authorize("web", &[("request_uri", uri)])
            .await;
        answer.assert_redirected_error("invalid_request_uri");
    }
    assert_eq!(listener.asked(), 0);
}

on_both! {
    async fn a_request_object_is_no_assertion_and_an_assertion_no_request_object(app: TestApp) {
        let key = Key::new("a");
        with_key(&app, &key).await;
        let now = app.clock.now().0;
        let assertion = key.sign(&json!({ "iss": "web", "sub": "web", "aud": ISSUER, "jti": "1", "iat": now, "exp": now + 60 }));
        let answer = Browser::new(&app).authorize("web", &[("request", assertion.as_str())]).await;
        answer.assert_redirected_error("invalid_request_object");
        app.clock.advance(Duration::from_secs(1));
    }
}
