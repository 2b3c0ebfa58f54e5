//! Codes and refresh tokens that come again, in every disguise (security.md 43–45, 53, 54; RFC 6749
//! §4.1.2, §10.5).

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    application::{ports::Page, state::Stored},
    domain::{client::AccessTokenFormat, id::GrantId},
    protocol::refresh::Family,
};
use serde_json::Value;
use tokio::task::JoinSet;

use super::support::app::{
    Browser, CALLBACK, SECRET, Stage, TestApp, VERIFIER, basic, encode, form, on_both, send,
};

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

async fn opaque_and_jwt(app: &TestApp) -> [&'static str; 2] {
    app.change_client("other", |client| {
        client.tokens.access_token_format = AccessTokenFormat::Opaque;
    })
    .await;
    ["web", "other"]
}

async fn assert_revoked(app: &TestApp, client: &str, tokens: &Value) {
    let access = tokens["access_token"].as_str().unwrap();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let answer = app.get_with("/oauth2/userinfo", access).await;
    answer.assert_error(401, "invalid_token");
    let answer = app.refresh(client, refresh).await;
    answer.assert_error(400, "invalid_grant");
    let grant = GrantId::new(refresh.split('.').next().unwrap());
    let record = app.ports().store.reader().grant(&grant).await.unwrap();
    assert!(record.unwrap().revoked_at.is_some());
}

/// The details of all events of a kind.
async fn details(app: &TestApp, kind: &str) -> Vec<(Option<String>, Value)> {
    let page = Page {
        after: None,
        limit: 1000,
    };
    let events = app.ports().store.reader().events(&page).await.unwrap();
    events
        .into_iter()
        .filter(|event| event.kind.as_str() == kind)
        .map(|event| (event.client.map(|id| id.to_string()), event.detail))
        .collect()
}

on_both! {
    async fn c043_a_replayed_code_revokes_however_the_rest_of_the_request_looks(app: TestApp) {
        let good = [("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        let wrong = ("redirect_uri", "https://rp.example/other");
        let spoiled: [(&str, Vec<(&str, &str)>); 6] = [
            ("as before", good.to_vec()),
            ("without redirect_uri", vec![("code_verifier", VERIFIER)]),
            ("with another redirect_uri", vec![wrong, ("code_verifier", VERIFIER)]),
            ("with redirect_uri twice", vec![("redirect_uri", CALLBACK), wrong, ("code_verifier", VERIFIER)]),
            ("without verifier", vec![("redirect_uri", CALLBACK)]),
            ("with a wrong verifier", vec![("redirect_uri", CALLBACK), ("code_verifier", "x")]),
        ];
        for client in opaque_and_jwt(&app).await {
            for (how, rest) in &spoiled {
                let code = Browser::new(&app).code(client, &[OFFLINE]).await;
                let tokens = app.redeem(client, &code).await.json();
                let before = details(&app, "code.replayed").await.len();
                let mut fields = vec![("grant_type", "authorization_code"), ("code", code.as_str())];
                fields.extend(rest);
                let answer = app.token(client, &fields).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{how}");
                assert_eq!(details(&app, "code.replayed").await.len(), before + 1, "{how}");
                assert_revoked(&app, client, &tokens).await;
            }
        }
    }

    async fn c043_a_malformed_request_with_a_fresh_code_revokes_nothing(app: TestApp) {
        let code = Browser::new(&app).code("web", &[OFFLINE]).await;
        let fields = [("grant_type", "authorization_code"), ("code", code.as_str())];
        app.token("web", &fields).await.assert_error(400, "invalid_grant");
        assert!(details(&app, "code.replayed").await.is_empty());
    }

    async fn c045_a_spent_code_from_another_client_is_noted_with_both_names(app: TestApp) {
        let code = Browser::new(&app).code("web", &[OFFLINE]).await;
        let tokens = app.redeem("web", &code).await.json();
        app.redeem("other", &code).await.assert_error(400, "invalid_grant");
        let noted = details(&app, "code.replayed").await;
        assert_eq!(noted.len(), 1);
        assert_eq!(noted[0].0.as_deref(), Some("other"));
        assert_eq!(noted[0].1["issued_to"], "web");
        assert_revoked(&app, "web", &tokens).await;
    }

    async fn a_code_works_again_after_the_database_could_not_take_its_grant(app: TestApp) {
        let code = Browser::new(&app).code("web", &[OFFLINE]).await;
        app.execute("ALTER TABLE grants RENAME TO grants_away").await;
        let answer = app.redeem("web", &code).await;
        answer.assert_error(503, "temporarily_unavailable");
        app.execute("ALTER TABLE grants_away RENAME TO grants").await;
        let answer = app.redeem("web", &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(details(&app, "code.replayed").await.is_empty());
    }

    async fn c053_fifty_refreshes_at_once_leave_one_live_leaf(app: TestApp) {
        for client in opaque_and_jwt(&app).await {
            for _ in 0..10 {
                let tokens = app.tokens(client, OFFLINE.1).await;
                let first = tokens["refresh_token"].as_str().unwrap().to_owned();
                one_leaf(&app, std::slice::from_ref(&app.router), client, &first).await;
            }
        }
    }

    async fn a_login_in_the_very_second_of_a_password_change_works(app: TestApp) {
        let before = app.tokens("web", OFFLINE.1).await;
        let now = countersign::application::ports::Clock::now(&*app.clock);
        app.change_user(|user| user.end_everything(now)).await;
        let after = app.tokens("web", OFFLINE.1).await;
        let access = after["access_token"].as_str().unwrap();
        assert_eq!(app.get_with("/oauth2/userinfo", access).await.status, StatusCode::OK);
        let refresh = after["refresh_token"].as_str().unwrap();
        assert_eq!(app.refresh("web", refresh).await.status, StatusCode::OK);
        let access = before["access_token"].as_str().unwrap();
        app.get_with("/oauth2/userinfo", access).await.assert_error(401, "invalid_token");
    }
}

/// Fifty requests with one refresh token: all answers hold one successor, and the store one leaf.
async fn one_leaf(app: &TestApp, nodes: &[axum::Router], client: &str, token: &str) {
    let mut tasks = JoinSet::new();
    for at in 0..50 {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let request = form("/oauth2/token", &fields)
            .header("authorization", basic(client, SECRET))
            .body(encode(&fields).into())
            .unwrap();
        let node = nodes[at % nodes.len()].clone();
        tasks.spawn(async move { send(&node, request).await });
    }
    let answers = tasks.join_all().await;
    let mut successors: Vec<String> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            answer.json()["refresh_token"].as_str().unwrap().to_owned()
        })
        .collect();
    successors.dedup();
    assert_eq!(successors.len(), 1, "{successors:?}");
    // The state afterwards: one generation further, and only that one is live.
    let key =
        countersign::application::commands::end_grant::family_key(token.split('.').next().unwrap());
    let bytes = app.ports().state.get(&key).await.unwrap().unwrap();
    let family: Stored<Family> = Stored::of(bytes).unwrap();
    assert_eq!(family.record.leaf, 1);
    let live = async |token: &str| {
        let answer = app
            .post_as(client, "/oauth2/introspect", &[("token", token)])
            .await;
        answer.json()["active"] == true
    };
    assert!(live(&successors[0]).await);
    assert!(!live(token).await);
}

/// The same across two nodes, for both formats; afterwards the old token revokes all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c053_fifty_refreshes_on_two_nodes_leave_one_live_leaf() {
    let app = TestApp::start(Stage::Servers).await;
    let nodes = [app.router.clone(), app.another_node().await.router()];
    for client in opaque_and_jwt(&app).await {
        for _ in 0..10 {
            let tokens = app.tokens(client, OFFLINE.1).await;
            let first = tokens["refresh_token"].as_str().unwrap();
            one_leaf(&app, &nodes, client, first).await;
            app.clock.advance(Duration::from_secs(11));
            app.refresh(client, first)
                .await
                .assert_error(400, "invalid_grant");
            assert_revoked(&app, client, &tokens).await;
        }
    }
}

/// Exactly one of fifty gets tokens, and then all of it is revoked, on every node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c044_a_code_raced_on_two_nodes_wins_once_and_is_revoked() {
    let app = TestApp::start(Stage::Servers).await;
    let nodes = [app.router.clone(), app.another_node().await.router()];
    for client in opaque_and_jwt(&app).await {
        for _ in 0..10 {
            let code = Browser::new(&app).code(client, &[OFFLINE]).await;
            let mut tasks = JoinSet::new();
            for at in 0..50 {
                let fields = [
                    ("grant_type", "authorization_code"),
                    ("code", code.as_str()),
                    ("redirect_uri", CALLBACK),
                    ("code_verifier", VERIFIER),
                ];
                let request = form("/oauth2/token", &fields)
                    .header("authorization", basic(client, SECRET))
                    .body(encode(&fields).into())
                    .unwrap();
                let node = nodes[at % 2].clone();
                tasks.spawn(async move { send(&node, request).await });
            }
            let answers = tasks.join_all().await;
            let won: Vec<_> = answers
                .iter()
                .filter(|answer| answer.status == StatusCode::OK)
                .collect();
            assert_eq!(won.len(), 1);
            assert_revoked(&app, client, &won[0].json()).await;
        }
    }
}

/// A server that was restarted still knows which token was used.
#[tokio::test]
async fn c054_reuse_after_a_restart_revokes() {
    for stage in [Stage::Embedded, Stage::Servers] {
        let mut app = TestApp::start(stage).await;
        for client in opaque_and_jwt(&app).await {
            let tokens = app.tokens(client, OFFLINE.1).await;
            let first = tokens["refresh_token"].as_str().unwrap();
            assert_eq!(app.refresh(client, first).await.status, StatusCode::OK);
            app = app.restarted().await;
            app.clock.advance(Duration::from_secs(11));
            app.refresh(client, first)
                .await
                .assert_error(400, "invalid_grant");
            assert!(
                !details(&app, "refresh.replayed").await.is_empty(),
                "{stage:?}"
            );
            assert_revoked(&app, client, &tokens).await;
        }
    }
}
