//! A clock that steps: the keys' times are off by it, and everything goes on (issue: 500 "signing is
//! broken" after a step back).

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    application::ports::Clock as _,
    domain::{client::AccessTokenFormat, time::Timestamp},
};
use serde_json::Value;

use super::support::app::{Answer, Browser, TestApp, on_both, start};

const SCOPE: &str = "openid offline_access";
const CREDENTIALS: &[(&str, &str)] = &[("grant_type", "client_credentials")];

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// Sets the clock so many seconds off and does what every node does each minute.
async fn step(app: &TestApp, seconds: i64) {
    app.clock.set(Timestamp(start().0 + seconds));
    app.app.keys().refresh().await.unwrap();
}

/// The names and times of all keys in the database.
async fn stored_keys(app: &TestApp) -> Vec<(String, [Timestamp; 4])> {
    let keys = app.ports().store.reader().signing_keys().await.unwrap();
    let mut keys: Vec<_> = keys
        .into_iter()
        .map(|key| {
            (
                key.kid,
                [key.published_at, key.active_at, key.retires_at, key.dead_at],
            )
        })
        .collect();
    keys.sort();
    keys
}

async fn jwks(app: &TestApp) -> String {
    app.get("/oauth2/jwks.json").await.body
}

async fn userinfo(app: &TestApp, tokens: &Value) -> Answer {
    app.get_with("/oauth2/userinfo", text(tokens, "access_token"))
        .await
}

fn assert_ok(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

async fn goes_on(app: &TestApp, seconds: i64) {
    let before = app.tokens("web", SCOPE).await;
    let mut browser = Browser::new(app);
    let code = browser.code("web", &[("scope", SCOPE)]).await;
    let (keys, set) = (stored_keys(app).await, jwks(app).await);

    step(app, seconds).await;
    assert_eq!(
        stored_keys(app).await,
        keys,
        "{seconds}: nothing was made, moved or deleted"
    );
    assert_eq!(jwks(app).await, set, "{seconds}");
    if seconds < 0 {
        assert_ok(&userinfo(app, &before).await);
        let redeemed = assert_ok(&app.redeem("web", &code).await);
        assert_ok(&userinfo(app, &redeemed).await);
    }
    let refreshed = assert_ok(&app.refresh("web", text(&before, "refresh_token")).await);
    assert_ok(&userinfo(app, &refreshed).await);
    let during = app.tokens("web", SCOPE).await;
    assert_ok(&userinfo(app, &during).await);

    step(app, 0).await;
    assert_eq!(stored_keys(app).await, keys, "{seconds} and back");
    let refreshed = assert_ok(&app.refresh("web", text(&refreshed, "refresh_token")).await);
    assert_ok(&userinfo(app, &refreshed).await);
    assert_ok(&userinfo(app, &app.tokens("web", SCOPE).await).await);
}

on_both! {
    async fn c181_a_clock_thirty_seconds_back_signs_on(app: TestApp) {
        goes_on(&app, -30).await;
    }

    async fn c181_a_clock_an_hour_back_signs_on(app: TestApp) {
        goes_on(&app, -3600).await;
        app.change_client("web", |client| client.tokens.access_token_format = AccessTokenFormat::Opaque).await;
        goes_on(&app, -3600).await;
    }

    async fn c181_a_clock_an_hour_ahead_signs_on_and_kills_no_key(app: TestApp) {
        goes_on(&app, 3600).await;
    }

    async fn c181_a_clock_an_hour_ahead_forgets_no_key_that_dies_within_it(app: TestApp) {
        app.app.keys().rotate_now().await.unwrap();
        let first = stored_keys(&app).await;
        let dead_at = first.iter().map(|(_, times)| times[3]).min().unwrap();
        let almost = dead_at.0 - start().0 - 1800;
        step(&app, almost).await;
        let shown = jwks(&app).await;
        step(&app, almost + 3600).await;
        assert_ne!(jwks(&app).await, shown, "the dead are not shown");
        step(&app, almost).await;
        assert_eq!(jwks(&app).await, shown, "and are shown again");
        step(&app, almost + 2 * 24 * 3600).await;
        assert_eq!(stored_keys(&app).await.len(), first.len() / 2, "in the end they go");
    }

    async fn without_any_key_the_answer_is_to_try_again(app: TestApp) {
        let keys = stored_keys(&app).await;
        app.clock.advance(Duration::from_hours(2 * 365 * 24));
        let answer = app.token("service", CREDENTIALS).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert_ne!(answer.header("retry-after"), "");
        app.app.keys().refresh().await.unwrap();
        assert_ok(&app.token("service", CREDENTIALS).await);
        assert!(stored_keys(&app).await.iter().all(|key| !keys.contains(key)));
        let now = app.clock.now();
        assert!(stored_keys(&app).await.iter().all(|(_, times)| times[1] == now));
    }
}
