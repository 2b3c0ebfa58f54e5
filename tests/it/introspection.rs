//! RFC 7662, RFC 7009: what others learn about tokens, and how tokens die on request.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    application::ports::Clock as _,
    domain::{
        client::AccessTokenFormat,
        id::{ClientId, RoleId},
        resource::ResourceServer,
        role::{Permission, Role},
    },
};
use serde_json::json;

use super::support::app::{Browser, ISSUER, TestApp, claims, on_both};

const URI: &str = "/oauth2/introspect";
const API: &str = "https://api.example";

async fn introspect(app: &TestApp, caller: &str, token: &str) -> serde_json::Value {
    let answer = app.post_as(caller, URI, &[("token", token)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

/// Registers an API that wants tokens of this format; `other` speaks for it.
async fn register_api(app: &TestApp, format: Option<AccessTokenFormat>) {
    let work = app.begin().await;
    let server = ResourceServer {
        identifier: API.into(),
        name: "The API".into(),
        scope: "reports:read".parse().unwrap(),
        access_token_format: format,
        introspection_client: Some(ClientId::new("other")),
    };
    work.put_resource_server(&server).await.unwrap();
    work.commit().await.unwrap();
}

/// Gives the user a role with two permissions, one of them at the API only.
async fn give_role(app: &TestApp) {
    let work = app.begin().await;
    let permission = |name: &str, resource: Option<&str>| Permission {
        name: name.into(),
        resource: resource.map(Into::into),
    };
    let role = Role {
        id: RoleId::new("r1"),
        name: "analyst".into(),
        description: None,
        permissions: [
            permission("reports:read", Some(API)),
            permission("reports:write", None),
            permission("users:delete", None),
        ]
        .into(),
    };
    work.add_role(&role).await.unwrap();
    work.assign_role(&app.user, &role.id).await.unwrap();
    work.commit().await.unwrap();
}

on_both! {
    async fn a_live_access_token_is_described_to_its_client(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid profile").await;
            let answer = introspect(&app, "web", tokens["access_token"].as_str().unwrap()).await;
            assert_eq!(answer["active"], true);
            assert_eq!(answer["client_id"], "web");
            assert_eq!(answer["sub"], app.user.as_str());
            assert_eq!(answer["scope"], "openid profile");
            assert_eq!(answer["iss"], ISSUER);
            assert_eq!(answer["token_type"], "Bearer");
            assert!(answer["exp"].is_i64() && answer["iat"].is_i64() && answer["jti"].is_string());
        }
    }

    async fn c101_a_client_outside_the_audience_learns_nothing(app: TestApp) {
        let tokens = app.tokens("web", "openid").await;
        let answer = introspect(&app, "other", tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(answer, serde_json::json!({ "active": false }));
    }

    async fn the_api_that_a_token_is_for_may_introspect_it(app: TestApp) {
        register_api(&app, Some(AccessTokenFormat::Opaque)).await;
        let mut browser = Browser::new(&app);
        let code = browser.code("web", &[("scope", "reports:read reports:write"), ("resource", API)]).await;
        let tokens = app.redeem("web", &code).await.json();
        let token = tokens["access_token"].as_str().unwrap();
        assert!(token.starts_with("cs_at_"), "opaque by the API's policy");
        assert_eq!(tokens["scope"], "reports:read", "only what means something there");
        let answer = introspect(&app, "other", token).await;
        assert_eq!(answer["active"], true);
        assert_eq!(answer["aud"], serde_json::json!([API]));
        assert_eq!(introspect(&app, "service", token).await["active"], false);
    }

    async fn roles_and_permissions_appear_where_scope_and_user_both_allow(app: TestApp) {
        give_role(&app).await;
        let mut browser = Browser::new(&app);
        let scope = "openid roles reports:read reports:write";
        let code = browser.code("web", &[("scope", scope), ("resource", API)]).await;
        let tokens = app.redeem("web", &code).await.json();
        let token = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!(token["roles"], serde_json::json!(["analyst"]));
        assert_eq!(token["permissions"], serde_json::json!(["reports:read", "reports:write"]));
        assert_eq!(token["aud"], serde_json::json!([API, ISSUER]));
        let code = browser.code("web", &[("scope", scope), ("resource", "https://other.example")]).await;
        let elsewhere = app.redeem("web", &code).await.json();
        let elsewhere = claims(elsewhere["access_token"].as_str().unwrap());
        assert_eq!(elsewhere["permissions"], serde_json::json!(["reports:write"]), "reports:read holds at the API only");
        let plain = app.tokens("web", "openid").await;
        let plain = claims(plain["access_token"].as_str().unwrap());
        assert!(plain.get("roles").is_none() && plain.get("permissions").is_none());
    }

    async fn c105_a_truncated_or_extended_token_is_inactive(app: TestApp) {
        app.change_client("web", |client| client.tokens.access_token_format = AccessTokenFormat::Opaque).await;
        let tokens = app.tokens("web", "openid offline_access").await;
        for name in ["access_token", "refresh_token"] {
            let token = tokens[name].as_str().unwrap();
            assert_eq!(introspect(&app, "web", token).await["active"], true, "{name}");
            for changed in [&token[..token.len() - 1], &format!("{token}A"), &token.to_uppercase(), &format!(" {token}")] {
                assert_eq!(introspect(&app, "web", changed).await["active"], false, "{name} {changed}");
            }
        }
    }

    async fn only_the_leaf_of_a_family_is_active(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let first = tokens["refresh_token"].as_str().unwrap();
        let refreshed = app.refresh("web", first).await.json();
        let second = refreshed["refresh_token"].as_str().unwrap();
        assert_eq!(introspect(&app, "web", first).await["active"], false);
        let answer = introspect(&app, "web", second).await;
        assert_eq!((answer["active"].as_bool(), answer["client_id"].as_str()), (Some(true), Some("web")));
        assert_eq!(introspect(&app, "other", second).await["active"], false);
    }

    async fn a_caller_must_prove_who_it_is(app: TestApp) {
        app.post(URI, &[("token", "x")]).await.assert_error(401, "invalid_client");
        app.post(URI, &[("token", "x"), ("client_id", "spa")]).await.assert_error(401, "invalid_client");
        app.post_as("web", URI, &[]).await.assert_error(400, "invalid_request");
        app.post_as("web", URI, &[("token", "a"), ("token", "b")]).await.assert_error(400, "invalid_request");
    }

    async fn revoking_a_refresh_token_takes_the_grant_with_it(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        let answer = app.post_as("web", "/oauth2/revoke", &[("token", refresh), ("token_type_hint", "access_token")]).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
        assert_eq!(introspect(&app, "web", access).await["active"], false);
        app.refresh("web", refresh).await.assert_error(400, "invalid_grant");
        assert!(app.events().await.contains(&"grant.revoked"));
    }

    async fn revoking_an_access_token_leaves_the_refresh_token_alone(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid offline_access").await;
            let access = tokens["access_token"].as_str().unwrap();
            assert_eq!(app.post_as("web", "/oauth2/revoke", &[("token", access)]).await.status, StatusCode::OK);
            assert_eq!(introspect(&app, "web", access).await["active"], false);
            assert_eq!(app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.status, StatusCode::OK);
        }
    }

    async fn c103_a_revocation_that_cannot_be_written_is_not_answered_as_done(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid offline_access").await;
            for (name, table) in [("access_token", "revocations"), ("refresh_token", "grants")] {
                let token = tokens[name].as_str().unwrap();
                app.execute(&format!("ALTER TABLE {table} RENAME TO away")).await;
                let answer = app.post_as("web", "/oauth2/revoke", &[("token", token)]).await;
                answer.assert_error(503, "temporarily_unavailable");
                app.execute(&format!("ALTER TABLE away RENAME TO {table}")).await;
                // Whoever is told so tries again, and then it is done.
                let answer = app.post_as("web", "/oauth2/revoke", &[("token", token)]).await;
                assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.body);
                let answer = app.post_as("web", "/oauth2/introspect", &[("token", token)]).await;
                assert_eq!(answer.json(), json!({ "active": false }), "{name}");
            }
        }
    }

    async fn c104_of_two_not_befores_the_later_wins_everywhere(app: TestApp) {
        for (user, client) in [(5, 10), (10, 5)] {
            let now = app.clock.now();
            let at = |seconds| now.plus(Duration::from_secs(seconds));
            app.clock.advance(Duration::from_secs(7));
            let between = app.tokens("web", "openid offline_access").await;
            app.clock.advance(Duration::from_secs(5));
            app.change_user(|it| it.not_before = at(user)).await;
            app.change_client("web", |it| it.not_before = at(client)).await;
            let text = |tokens: &serde_json::Value, name: &str| tokens[name].as_str().unwrap().to_owned();
            let access = text(&between, "access_token");
            app.get_with("/oauth2/userinfo", &access).await.assert_error(401, "invalid_token");
            for name in ["access_token", "refresh_token"] {
                let token = text(&between, name);
                let answer = app.post_as("web", "/oauth2/introspect", &[("token", &token)]).await;
                assert_eq!(answer.json(), json!({ "active": false }), "{name}");
            }
            app.refresh("web", &text(&between, "refresh_token")).await.assert_error(400, "invalid_grant");
            let after = app.tokens("web", "openid offline_access").await;
            assert_eq!(app.get_with("/oauth2/userinfo", &text(&after, "access_token")).await.status, StatusCode::OK);
            assert_eq!(app.refresh("web", &text(&after, "refresh_token")).await.status, StatusCode::OK);
        }
    }

    async fn c102_another_clients_token_is_not_revoked(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        for name in ["access_token", "refresh_token"] {
            let token = tokens[name].as_str().unwrap();
            app.post_as("other", "/oauth2/revoke", &[("token", token)]).await.assert_error(400, "invalid_request");
            assert_eq!(introspect(&app, "web", token).await["active"], true, "{name}");
        }
    }

    async fn a_token_that_does_not_exist_is_revoked_already(app: TestApp) {
        for token in ["nonsense", "a.0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cs_at_unknown", "a.b.c"] {
            assert_eq!(app.post_as("web", "/oauth2/revoke", &[("token", token)]).await.status, StatusCode::OK, "{token}");
        }
        assert_eq!(app.post("/oauth2/revoke", &[("token", "x"), ("client_id", "spa")]).await.status, StatusCode::OK);
    }
}
