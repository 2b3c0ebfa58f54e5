//! The code flow from end to end, on both stages: what everything else varies.

use axum::http::StatusCode;

use super::support::app::{Browser, CALLBACK, ISSUER, claims, on_both};

on_both! {
    async fn a_user_logs_in_consents_and_the_client_gets_tokens(app: TestApp) {
        let mut browser = Browser::new(&app);
        let answer = browser.authorize("web", &[("scope", "openid profile offline_access")]).await;
        assert!(answer.location().starts_with("/login?interaction="), "{}", answer.location());
        let answer = browser.finish(answer).await;
        assert!(answer.location().starts_with(CALLBACK));
        assert_eq!(answer.location_param("state").as_deref(), Some("the-state"));
        assert_eq!(answer.location_param("iss").as_deref(), Some(ISSUER));

        let code = answer.location_param("code").unwrap();
        let tokens = app.redeem("web", &code).await;
        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
        assert_eq!(tokens.header("cache-control"), "no-store");
        let tokens = tokens.json();
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 600);
        assert_eq!(tokens["scope"], "offline_access openid profile");

        let id_token = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!(id_token["iss"], ISSUER);
        assert_eq!(id_token["aud"], "web");
        assert_eq!(id_token["sub"], app.user.as_str());
        assert_eq!(id_token["nonce"], "the-nonce");
        assert!(id_token["at_hash"].is_string() && id_token["sid"].is_string() && id_token["auth_time"].is_i64());
        assert!(id_token.get("name").is_none() && id_token.get("email").is_none());

        let userinfo = app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(userinfo.status, StatusCode::OK, "{}", userinfo.body);
        assert_eq!(userinfo.json()["name"], "Alice M. Example");
        assert!(userinfo.json().get("email").is_none());

        let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.body);
        assert_ne!(refreshed.json()["refresh_token"], tokens["refresh_token"]);
        let again = claims(refreshed.json()["id_token"].as_str().unwrap());
        assert_eq!(again["auth_time"], id_token["auth_time"]);
        assert!(again.get("nonce").is_none());
    }

    async fn a_second_request_in_the_same_session_asks_nothing(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let answer = browser.authorize("web", &[("prompt", "none")]).await;
        assert!(answer.location_param("code").is_some(), "{}", answer.location());
    }

    async fn c043_a_replayed_code_revokes_the_grant(app: TestApp) {
        let mut browser = Browser::new(&app);
        let code = browser.code("web", &[("scope", "openid offline_access")]).await;
        let tokens = app.redeem("web", &code).await.json();
        app.redeem("web", &code).await.assert_error(400, "invalid_grant");
        let userinfo = app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await;
        userinfo.assert_error(401, "invalid_token");
        app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
        let events = app.events().await;
        assert!(events.contains(&"code.replayed") && events.contains(&"grant.revoked"), "{events:?}");
    }
}
