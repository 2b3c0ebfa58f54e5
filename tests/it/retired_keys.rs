//! A signing key that is taken out of use ends what it signed, at once and on every node.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::application::{commands::retire_key::retire_key, registrar::RegistrarError};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::support::app::{TestApp, on_both, random_offset, send};

fn kid(token: &str) -> String {
    let (header, _) = token.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn service_token(app: &TestApp) -> String {
    let answer = app
        .token("service", &[("grant_type", "client_credentials")])
        .await;
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn kids(app: &TestApp) -> Vec<String> {
    let keys = app.get("/oauth2/jwks.json").await.json();
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

async fn userinfo(router: &axum::Router, token: &str) -> u16 {
    let request = Request::get("/oauth2/userinfo")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty());
    send(router, request.unwrap()).await.status.as_u16()
}

on_both! {
    async fn what_a_retired_key_signed_is_not_believed_any_more_on_any_node(app: TestApp) {
        let node = Arc::new(app.second_worker().await);
        let stop = CancellationToken::new();
        let maintained = tokio::spawn({
            let (node, stop) = (node.clone(), stop.clone());
            async move { node.maintain(stop).await }
        });
        let tokens = app.tokens("web", "openid").await;
        let access = tokens["access_token"].as_str().unwrap();
        for router in [&app.router, &node.router()] {
            assert_eq!(userinfo(router, access).await, 200);
        }
        let kid = kid(access);
        retire_key(&app.registrar(), &kid).await.unwrap();
        app.ports().signer.reread().await.unwrap();
        assert_eq!(userinfo(&app.router, access).await, 401);
        assert!(!kids(&app).await.contains(&kid));
        // Twice a second the other one looks; a busy machine may take longer.
        for _ in 0..200 {
            if userinfo(&node.router(), access).await == 401 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(userinfo(&node.router(), access).await, 401);
        // Another key has taken its place, and both nodes believe it.
        let next = app.tokens("web", "openid").await;
        let next = next["access_token"].as_str().unwrap();
        assert_ne!(self::kid(next), kid);
        for router in [&app.router, &node.router()] {
            assert_eq!(userinfo(router, next).await, 200);
        }
        assert!(app.events().await.contains(&"key.retired"));
        let again = retire_key(&app.registrar(), &kid).await;
        assert!(matches!(again, Err(RegistrarError::NotFound("key", _))));
        stop.cancel();
        maintained.await.unwrap();
    }

    async fn a_key_that_is_retired_while_another_is_made_stays_away(app: TestApp) {
        for round in 0..40 {
            let retired = kid(&service_token(&app).await);
            let retire = async {
                tokio::time::sleep(random_offset()).await;
                retire_key(&app.registrar(), &retired).await.unwrap();
                app.ports().signer.reread().await.unwrap();
            };
            let rotate = async {
                tokio::time::sleep(random_offset()).await;
                app.ports().signer.rotate().await.unwrap();
            };
            tokio::join!(retire, rotate);
            app.ports().signer.reread().await.unwrap();
            let present = app.ports().store.reader().signing_keys().await.unwrap();
            assert!(present.iter().all(|key| key.kid != retired), "round {round}");
            assert_ne!(kid(&service_token(&app).await), retired, "round {round}");
        }
    }
}
