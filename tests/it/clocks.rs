//! Nodes whose clocks disagree (security.md c181). What must end, ends by the state store's clock as
//! well as by the node's, so these tests wait for real time to pass.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, http::header};
use countersign::{application::ports::Clock as _, infrastructure::clock::TestClock};

use super::support::app::{
    Answer, Browser, CALLBACK, SECRET, Stage, TestApp, VERIFIER, basic, encode, form, send,
};

const CODE: Duration = Duration::from_secs(1);
const BEHIND: i64 = 30;

#[tokio::test]
async fn c181_an_expired_code_is_refused_by_another_node_whose_clock_is_behind() {
    let app = with_short_codes(Stage::Servers).await;
    let late = Arc::new(TestClock::at(app.clock.now()));
    let other = app.another_node_at(&late).await;
    let code = expired_code(&app).await;
    turn_back(&late);
    let answer = redeem(&other.router(), &code).await;
    answer.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn c181_an_expired_code_is_refused_after_the_only_clock_was_turned_back() {
    for stage in [Stage::Embedded, Stage::Servers] {
        let app = with_short_codes(stage).await;
        let code = expired_code(&app).await;
        turn_back(&app.clock);
        redeem(&app.router, &code)
            .await
            .assert_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn c181_a_spent_code_is_known_for_longer_than_it_would_have_lived() {
    for stage in [Stage::Embedded, Stage::Servers] {
        let app = with_short_codes(stage).await;
        let (code, tokens) = redeemed_code(&app).await;
        tokio::time::sleep(CODE * 2).await;
        redeem(&app.router, &code)
            .await
            .assert_error(400, "invalid_grant");
        assert!(app.events().await.contains(&"code.replayed"), "{stage:?}");
        let access = tokens["access_token"].as_str().unwrap();
        let userinfo = app.get_with("/oauth2/userinfo", access).await;
        userinfo.assert_error(401, "invalid_token");
    }
}

async fn with_short_codes(stage: Stage) -> TestApp {
    TestApp::start_with(stage, |settings| settings.lifetimes.code = CODE).await
}

fn turn_back(clock: &TestClock) {
    let mut now = clock.now();
    now.0 -= BEHIND;
    clock.set(now);
}

/// A code that nobody has used in its time.
async fn expired_code(app: &TestApp) -> String {
    let code = Browser::new(app).code("web", &[]).await;
    tokio::time::sleep(CODE * 2).await;
    code
}

/// A code that was redeemed in its time, and what for. A slow machine gets several tries.
async fn redeemed_code(app: &TestApp) -> (String, serde_json::Value) {
    for _ in 0..20 {
        let code = Browser::new(app).code("web", &[]).await;
        let answer = redeem(&app.router, &code).await;
        if answer.status.is_success() {
            return (code, answer.json());
        }
    }
    panic!("no code is redeemed within its time");
}

async fn redeem(router: &Router, code: &str) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let request =
        form("/oauth2/token", &fields).header(header::AUTHORIZATION, basic("web", SECRET));
    let request = request.body(Body::from(encode(&fields))).unwrap();
    send(router, request).await
}
