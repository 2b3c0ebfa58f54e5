//! OIDC Front-Channel Logout and OIDC Back-Channel Logout — applications hear that a session has ended.

use axum::http::StatusCode;
use countersign::{
    application::{
        courier::carry_due,
        logout_notices::LogoutCarriage,
        ports::{OutboxFilter, Page},
    },
    domain::event::OutboxKind,
};
use serde_json::{Value, json};

use super::support::{
    app::{Answer, Browser, Stage, TestApp, claims, on_both, param},
    listener::Listener,
};

const STAGES: [Stage; 2] = [Stage::Embedded, Stage::Servers];

/// A provider that reaches `listener`, and `web` there.
async fn app(stage: Stage, listener: &Listener) -> TestApp {
    let app = TestApp::start_reaching(
        stage,
        &["127.0.0.0/8", "::1/128"],
        listener.authority.path(),
    )
    .await;
    app.change_client("web", |client| {
        client.logout.backchannel_uri = Some(listener.url("/out"));
    })
    .await;
    app
}

/// Logs in at a client: what came of the code.
async fn log_in(app: &TestApp, browser: &mut Browser<'_>, client: &str) -> Value {
    let code = browser.code(client, &[]).await;
    app.redeem(client, &code).await.json()
}

async fn log_out(browser: &mut Browser<'_>, tokens: &Value, extra: &str) -> Answer {
    let hint = tokens["id_token"].as_str().unwrap();
    browser
        .get(&format!("/oauth2/logout?id_token_hint={hint}{extra}"))
        .await
}

async fn deliver(app: &TestApp) -> usize {
    carry_due(app.ports(), &LogoutCarriage).await.unwrap()
}

async fn waiting(app: &TestApp) -> usize {
    let page = Page {
        after: None,
        limit: 50,
    };
    let rows = app
        .ports()
        .store
        .reader()
        .outbox(OutboxFilter::All, &page)
        .await
        .unwrap();
    rows.iter()
        .filter(|row| row.message.kind == OutboxKind::Logout)
        .count()
}

#[tokio::test]
async fn an_application_gets_a_logout_token_about_its_session_once() {
    for stage in STAGES {
        let listener = Listener::start().await;
        let app = app(stage, &listener).await;
        let mut browser = Browser::new(&app);
        let tokens = log_in(&app, &mut browser, "web").await;
        log_in(&app, &mut browser, "web").await;
        log_in(&app, &mut browser, "post").await;
        log_out(&mut browser, &tokens, "").await;
        assert_eq!(
            waiting(&app).await,
            1,
            "one for `web`, which logged in twice; `post` wants none"
        );
        deliver(&app).await;
        let posted = listener.taken();
        assert_eq!(posted.len(), 1, "{posted:?}");
        let token = param(&format!("https://x/?{}", posted[0]), "logout_token").unwrap();
        assert_eq!(posted[0].matches('=').count(), 1, "nothing else is posted");
        let (told, id_token) = (claims(&token), claims(tokens["id_token"].as_str().unwrap()));
        for name in ["iss", "sub", "aud", "sid"] {
            assert_eq!(told[name], id_token[name], "{name}");
        }
        assert_eq!(
            told["events"],
            json!({ "http://schemas.openid.net/event/backchannel-logout": {} })
        );
        assert_eq!(told["nonce"], Value::Null);
        assert!(told["jti"].is_string() && told["iat"].is_i64() && told["exp"].is_i64());
        deliver(&app).await;
        assert_eq!((listener.taken().len(), waiting(&app).await), (0, 0));
    }
}

#[tokio::test]
async fn every_node_can_tell_and_one_does() {
    let listener = Listener::start().await;
    let app = app(Stage::Servers, &listener).await;
    let other = app.another_node().await;
    for _ in 0..20 {
        let mut browser = Browser::new(&app);
        let tokens = log_in(&app, &mut browser, "web").await;
        log_out(&mut browser, &tokens, "").await;
        let (one, two) = tokio::join!(deliver(&app), carry_due(other.ports(), &LogoutCarriage));
        assert_eq!(one + two.unwrap(), 1);
        assert_eq!(listener.taken().len(), 1);
    }
}

#[tokio::test]
async fn an_application_that_is_away_is_told_later_and_one_that_refuses_is_given_up() {
    for (status, tries) in [
        (StatusCode::SERVICE_UNAVAILABLE, 2),
        (StatusCode::BAD_REQUEST, 1),
        (StatusCode::FOUND, 1),
    ] {
        let listener = Listener::start().await;
        let app = app(Stage::Embedded, &listener).await;
        let mut browser = Browser::new(&app);
        let tokens = log_in(&app, &mut browser, "web").await;
        listener.answers(status);
        log_out(&mut browser, &tokens, "").await;
        deliver(&app).await;
        let first = listener.taken();
        assert_eq!(first.len(), 1);
        assert_eq!(waiting(&app).await, 1, "its status can be looked at");
        deliver(&app).await;
        assert_eq!(listener.taken().len(), 0, "not at once");
        listener.answers(StatusCode::NO_CONTENT);
        app.clock.advance(std::time::Duration::from_mins(2));
        deliver(&app).await;
        let later = listener.taken();
        assert_eq!(1 + later.len(), tries, "{status}");
        if let Some(second) = later.first() {
            let token =
                |body: &str| claims(&param(&format!("https://x/?{body}"), "logout_token").unwrap());
            let (first, second) = (token(&first[0]), token(second));
            assert_eq!(first["jti"], second["jti"]);
            assert!(
                second["exp"].as_i64() > first["exp"].as_i64(),
                "a token of its own"
            );
            assert_eq!(waiting(&app).await, 0);
        }
    }
}

#[tokio::test]
async fn c114_c135_nobody_is_reached_inside_or_where_the_registration_does_not_say() {
    let listener = Listener::start().await;
    let closed = TestApp::start_reaching(Stage::Embedded, &[], listener.authority.path()).await;
    closed
        .change_client("web", |client| {
            client.logout.backchannel_uri = Some(listener.url("/out"));
        })
        .await;
    let mut browser = Browser::new(&closed);
    let tokens = log_in(&closed, &mut browser, "web").await;
    let extra = "&backchannel_logout_uri=https%3A%2F%2Flocalhost%2F&logout_uri=https%3A%2F%2Fevil.example%2F";
    log_out(&mut browser, &tokens, extra).await;
    deliver(&closed).await;
    assert_eq!((listener.taken().len(), waiting(&closed).await), (0, 1));
}

#[tokio::test]
async fn c134_a_logout_token_is_no_id_token_nor_any_other() {
    let listener = Listener::start().await;
    let app = app(Stage::Embedded, &listener).await;
    let mut browser = Browser::new(&app);
    let tokens = log_in(&app, &mut browser, "web").await;
    log_out(&mut browser, &tokens, "").await;
    deliver(&app).await;
    let token = param(
        &format!("https://x/?{}", listener.taken()[0]),
        "logout_token",
    )
    .unwrap();
    let hinted = Browser::new(&app)
        .get(&format!("/oauth2/logout?id_token_hint={token}"))
        .await;
    hinted.assert_page(400);
    let silent = Browser::new(&app)
        .authorize("web", &[("id_token_hint", token.as_str())])
        .await;
    silent.assert_redirected_error("invalid_request");
    app.get_with("/oauth2/userinfo", &token)
        .await
        .assert_error(401, "invalid_token");
}

on_both! {
    async fn a_frame_tells_each_application_of_the_session_and_then_the_browser_goes_on(app: TestApp) {
        app.change_client("web", |client| {
            client.logout.frontchannel_uri = Some("https://rp.example/out?a=1".into());
        }).await;
        let mut browser = Browser::new(&app);
        let tokens = log_in(&app, &mut browser, "web").await;
        let extra = "&post_logout_redirect_uri=https%3A%2F%2Frp.example%2Fbye&state=s";
        let page = log_out(&mut browser, &tokens, extra).await;
        assert_eq!(page.status.as_u16(), 200);
        let sid = claims(tokens["id_token"].as_str().unwrap())["sid"].as_str().unwrap().to_owned();
        let frame = format!("https://rp.example/out?a=1&#38;iss=https%3A%2F%2Fid.example&#38;sid={sid}");
        assert!(page.body.contains(&frame), "{}", page.body);
        assert!(page.body.contains("https://rp.example/bye?state=s"));
        assert!(page.body.contains("The web client"));
        let policy = page.header("content-security-policy");
        assert!(policy.contains("frame-src https://rp.example"), "{policy}");
        let silent = browser.authorize("web", &[("prompt", "none")]).await;
        silent.assert_redirected_error("login_required");
    }
}

on_both! {
    async fn c137_a_frame_is_only_what_is_registered_and_in_the_session(app: TestApp) {
        for (id, uri) in [("web", "https://rp.example/out"), ("post", "https://rp.example/other")] {
            app.change_client(id, |client| client.logout.frontchannel_uri = Some(uri.into())).await;
        }
        let mut browser = Browser::new(&app);
        let tokens = log_in(&app, &mut browser, "web").await;
        let page = log_out(&mut browser, &tokens, "&frontchannel_logout_uri=https%3A%2F%2Fevil.example").await;
        assert_eq!(page.body.matches("<iframe").count(), 1, "{}", page.body);
        assert!(!page.body.contains("evil.example") && !page.body.contains("/other"));
    }
}

on_both! {
    async fn discovery_tells_of_both_channels(app: TestApp) {
        let document = app.get("/.well-known/openid-configuration").await.json();
        for name in ["frontchannel_logout", "backchannel_logout"] {
            assert_eq!(document[format!("{name}_supported")], true);
            assert_eq!(document[format!("{name}_session_supported")], true);
        }
    }
}
