//! Attacks that span endpoints: races of one login, what a family survives, and the table of grant
//! types against checks (security.md A, B).

use std::time::Duration;

use axum::http::StatusCode;
use countersign::domain::client::{ClientStatus, GrantType};
use futures_util::future::join_all;

use super::support::app::{Browser, ISSUER, PASSWORD, TestApp, USERNAME, on_both, param};

const OFFLINE: &str = "openid offline_access";

async fn count(app: &TestApp, kind: &str) -> usize {
    let events = app.events().await;
    events.iter().filter(|event| **event == kind).count()
}

fn text<'a>(tokens: &'a serde_json::Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// Nothing that came of the grant works any more.
async fn assert_dead(app: &TestApp, tokens: &serde_json::Value) {
    let userinfo = app
        .get_with("/oauth2/userinfo", text(tokens, "access_token"))
        .await;
    userinfo.assert_error(401, "invalid_token");
    app.refresh("web", text(tokens, "refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
}

on_both! {
    async fn c031_c032_a_pending_request_belongs_to_its_browser(app: TestApp) {
        let mut attacker = Browser::new(&app);
        let begun = attacker.authorize("web", &[]).await;
        let resume = begun.location().replace("/login", "/oauth2/authorize/resume");
        let mut victim = Browser::new(&app);
        victim.code("other", &[]).await;
        for uri in [begun.location(), resume.as_str()] {
            let answer = victim.get(uri).await;
            assert!(answer.status.is_client_error(), "{uri}: {answer:?}");
            assert!(!answer.body.contains("code="));
        }
        for forged in ["x", "..%2f", "%00", ""] {
            let answer = victim.get(&format!("/oauth2/authorize/resume?interaction={forged}")).await;
            assert!(answer.status.is_client_error(), "{forged}: {}", answer.status);
        }
    }

    async fn fifty_resumptions_of_one_login_make_one_code(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let begun = browser.authorize("web", &[("prompt", "login")]).await;
        let id = param(&format!("{ISSUER}{}", begun.location()), "interaction").unwrap();
        let login = browser.get(begun.location()).await;
        browser.log_in(&login.body, USERNAME, PASSWORD).await;
        let uri = format!("/oauth2/authorize/resume?interaction={id}");
        let answers = join_all((0..50).map(|_| {
            let mut tab = Browser::new(&app);
            tab.cookies = browser.cookies.clone();
            let uri = uri.clone();
            async move { tab.get(&uri).await }
        })).await;
        let codes = answers.iter().filter(|answer| answer.header("location").contains("code=")).count();
        assert_eq!(codes, 1);
        assert!(answers.iter().all(|answer| !answer.status.is_server_error()));
    }

    async fn c052_a_retry_is_a_replay_once_the_successor_was_used(app: TestApp) {
        let first = app.tokens("web", OFFLINE).await;
        let second = app.refresh("web", text(&first, "refresh_token")).await.json();
        let third = app.refresh("web", text(&second, "refresh_token")).await.json();
        app.refresh("web", text(&first, "refresh_token")).await.assert_error(400, "invalid_grant");
        assert_dead(&app, &third).await;
    }

    async fn c057_c075_every_check_holds_for_every_grant(app: TestApp) {
        for check in ["user", "client", "user_not_before", "client_not_before", "grant_type"] {
            for grant in GrantType::ALL {
                refused(&app, check, *grant).await;
            }
        }
    }

    async fn c059_use_does_not_carry_a_family_past_its_end(app: TestApp) {
        let day = Duration::from_hours(24);
        let mut tokens = app.tokens("web", OFFLINE).await;
        for _ in 0..8 {
            app.clock.advance(day * 11);
            let answer = app.refresh("web", text(&tokens, "refresh_token")).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            tokens = answer.json();
        }
        app.clock.advance(day * 2);
        app.refresh("web", text(&tokens, "refresh_token")).await.assert_error(400, "invalid_grant");
    }

    async fn c059_an_unused_family_dies_of_idleness(app: TestApp) {
        let tokens = app.tokens("web", OFFLINE).await;
        app.clock.advance(Duration::from_hours(24 * 14));
        app.refresh("web", text(&tokens, "refresh_token")).await.assert_error(400, "invalid_grant");
    }

    async fn c072_grants_that_are_not_offered_or_not_registered(app: TestApp) {
        for grant in ["password", "implicit", "Authorization_Code", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code"] {
            app.token("web", &[("grant_type", grant), ("username", "alice"), ("password", "x")]).await.assert_error(400, "unsupported_grant_type");
        }
        app.token("web", &[]).await.assert_error(400, "invalid_request");
        app.token("spa", &[("grant_type", "client_credentials")]).await.assert_error(400, "unauthorized_client");
        assert_eq!(count(&app, "grant.issued").await, 0);
    }
}

/// One cell of the table grant × check: after `check` turned, `grant` yields nothing.
async fn refused(app: &TestApp, check: &str, grant: GrantType) {
    // What the browser is shown has a table of its own: response_types.rs.
    if grant == GrantType::Implicit {
        return;
    }
    let is_own = grant == GrantType::ClientCredentials;
    // A client's own grant has no user, and is made after any not-before.
    if is_own && !matches!(check, "client" | "grant_type") {
        return;
    }
    let code = Browser::new(app).code("web", &[("scope", OFFLINE)]).await;
    let refresh = match grant {
        GrantType::RefreshToken => {
            let tokens = app.redeem("web", &code).await.json();
            text(&tokens, "refresh_token").to_owned()
        }
        GrantType::AuthorizationCode | GrantType::ClientCredentials | GrantType::Implicit => {
            String::new()
        }
    };
    let issued = count(app, "grant.issued").await;
    let now = countersign::application::ports::Clock::now(&*app.clock);
    let expected = match check {
        "user" => {
            app.change_user(|user| user.status = countersign::domain::user::UserStatus::Inactive)
                .await;
            (400, "invalid_grant")
        }
        "user_not_before" => {
            app.change_user(|user| user.end_everything(now)).await;
            (400, "invalid_grant")
        }
        "client" => {
            app.change_client("web", |client| client.status = ClientStatus::Inactive)
                .await;
            (401, "invalid_client")
        }
        "client_not_before" => {
            app.change_client("web", |client| client.not_before = now)
                .await;
            (400, "invalid_grant")
        }
        _ => {
            app.change_client("web", |client| {
                client.grant_types.remove(&grant);
            })
            .await;
            (400, "unauthorized_client")
        }
    };
    let answer = match grant {
        GrantType::AuthorizationCode => app.redeem("web", &code).await,
        GrantType::RefreshToken => app.refresh("web", &refresh).await,
        GrantType::ClientCredentials | GrantType::Implicit => {
            app.token("web", &[("grant_type", "client_credentials")])
                .await
        }
    };
    let got = answer.json()["error"].as_str().map(str::to_owned);
    assert_eq!(
        (answer.status.as_u16(), got.as_deref()),
        (expected.0, Some(expected.1)),
        "{check} × {grant:?}"
    );
    assert_eq!(
        count(app, "grant.issued").await,
        issued,
        "{check} × {grant:?}"
    );
    app.change_user(|user| user.status = countersign::domain::user::UserStatus::Active)
        .await;
    app.change_client("web", |client| {
        client.status = ClientStatus::Active;
        client.grant_types = GrantType::ALL.iter().copied().collect();
    })
    .await;
    // Whatever was logged in or granted before is behind the not-before from now on.
    app.clock.advance(Duration::from_secs(2));
}
