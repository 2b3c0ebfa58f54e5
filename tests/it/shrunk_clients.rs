//! A client that may ask for less than before gets less from then on, on grants from before as well
//! (RFC 6749 §6, RFC 8707 §2.2): by codes on their way and by refresh tokens, in both token formats.

use axum::http::StatusCode;
use countersign::{
    application::{
        commands::{
            delete_resource::delete_resource,
            edit_client::{ClientEdit, edit_client},
            register_resource::{Registration, register_resource},
        },
        registrar::RegistrarError,
    },
    domain::{client::AccessTokenFormat, id::ClientId, resource::ResourceServer},
};
use serde_json::{Value, json};

use super::support::app::{Browser, TestApp, on_both};

const API: &str = "https://api.example";
const OTHER: &str = "https://other.example";
const SCOPE: &str = "openid offline_access reports:read reports:write";

async fn code(app: &TestApp) -> String {
    let mut browser = Browser::new(app);
    let extra = [("scope", SCOPE), ("resource", API), ("resource", OTHER)];
    browser.code("web", &extra).await
}

/// What the access token of this answer is good for, by introspection.
async fn content(app: &TestApp, tokens: &Value) -> Value {
    let token = tokens["access_token"].as_str().unwrap();
    let answer = app
        .post_as("web", "/oauth2/introspect", &[("token", token)])
        .await;
    let content = answer.json();
    assert_eq!(content["active"], true, "{content}");
    content
}

async fn shrink(app: &TestApp, scope: &str, resources: &[&str]) {
    let registrar = app.registrar();
    for resource in [API, OTHER] {
        let server = ResourceServer {
            identifier: resource.to_owned(),
            name: resource.to_owned(),
            scope: "reports:read reports:write".parse().unwrap(),
            access_token_format: None,
            introspection_client: None,
        };
        register_resource(&registrar, &server, Registration::Put)
            .await
            .unwrap();
    }
    let edit = ClientEdit {
        scope: Some(scope.parse().unwrap()),
        resources: Some(resources.iter().map(|it| (*it).to_owned()).collect()),
        ..ClientEdit::default()
    };
    edit_client(&registrar, &ClientId::new("web"), edit)
        .await
        .unwrap();
}

fn audience(content: &Value) -> Vec<&str> {
    if let Some(one) = content["aud"].as_str() {
        return vec![one];
    }
    let many = content["aud"].as_array().unwrap().iter();
    many.map(|it| it.as_str().unwrap()).collect()
}

on_both! {
    async fn a_grant_from_before_gives_no_more_than_the_client_may_ask_now(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| {
                client.tokens.access_token_format = format;
                client.scope = SCOPE.parse().unwrap();
                client.resources = [API.to_owned(), OTHER.to_owned()].into();
            })
            .await;
            let tokens = app.redeem("web", &code(&app).await).await.json();
            assert!(audience(&content(&app, &tokens).await).contains(&OTHER));
            let pending = code(&app).await;

            shrink(&app, "openid offline_access reports:read", &[API]).await;
            let refresh_token = tokens["refresh_token"].as_str().unwrap();
            let refreshed = app.refresh("web", refresh_token).await;
            let redeemed = app.redeem("web", &pending).await;
            for answer in [&refreshed, &redeemed] {
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                let content = content(&app, &answer.json()).await;
                assert!(!audience(&content).contains(&OTHER), "{content}");
                assert!(audience(&content).contains(&API), "{content}");
                assert!(!content["scope"].as_str().unwrap().contains("reports:write"), "{content}");
                assert!(!answer.json()["scope"].as_str().unwrap().contains("reports:write"));
            }
            let next = refreshed.json()["refresh_token"].as_str().unwrap().to_owned();
            let wanted = [("grant_type", "refresh_token"), ("refresh_token", &next), ("resource", OTHER)];
            app.token("web", &wanted).await.assert_error(400, "invalid_target");

            // Of nothing that was granted at an API there comes no token for us instead.
            shrink(&app, "openid offline_access reports:read", &[]).await;
            app.refresh("web", &next).await.assert_error(400, "invalid_target");

            // A refusal spent nothing: what may be asked again is given again.
            shrink(&app, SCOPE, &[API, OTHER]).await;
            let again = app.refresh("web", &next).await.json();
            assert!(audience(&content(&app, &again).await).contains(&OTHER));
        }
    }

    async fn an_api_that_is_removed_is_nobody_s_audience_any_more(app: TestApp) {
        let node = app.second_worker().await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| {
                client.tokens.access_token_format = format;
                client.scope = SCOPE.parse().unwrap();
                client.resources = [API.to_owned(), OTHER.to_owned()].into();
            })
            .await;
            shrink(&app, SCOPE, &[API, OTHER]).await;
            let tokens = app.redeem("web", &code(&app).await).await.json();
            let pending = code(&app).await;
            delete_resource(&app.registrar(), OTHER).await.unwrap();
            let reader = app.ports().store.reader();
            assert!(reader.resource_server(OTHER).await.unwrap().is_none());
            let client = reader.client(&ClientId::new("web")).await.unwrap().unwrap();
            assert_eq!(client.resources.iter().collect::<Vec<_>>(), [API]);
            let refresh_token = tokens["refresh_token"].as_str().unwrap();
            let refreshed = app.refresh("web", refresh_token).await;
            let redeemed = app.redeem("web", &pending).await;
            for answer in [&refreshed, &redeemed] {
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                let content = content(&app, &answer.json()).await;
                assert!(!audience(&content).contains(&OTHER), "{content}");
            }
            let next = refreshed.json()["refresh_token"].as_str().unwrap().to_owned();
            let wanted = [("grant_type", "refresh_token"), ("refresh_token", &next), ("resource", OTHER)];
            app.token("web", &wanted).await.assert_error(400, "invalid_target");
            let (_, sight) = node.ports().directory.look(&[]).await.unwrap();
            assert!(sight.resource_server(OTHER).await.unwrap().is_none());
            let gone = delete_resource(&app.registrar(), OTHER).await;
            assert!(matches!(gone, Err(RegistrarError::NotFound("resource", _))));
        }
        assert!(app.events().await.contains(&"client.changed"));
    }

    async fn an_id_token_goes_with_its_scope(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access email").await;
        shrink(&app, "offline_access email", &[]).await;
        let answer = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.json()["id_token"], json!(null));
    }
}
