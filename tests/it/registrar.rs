//! The operator's commands next to a running provider: what they end, ends at once.

use std::time::Duration;

use countersign::{
    application::{
        commands::{
            change_client::{rotate_client_secret, set_client_status},
            change_user::{set_password, set_user_status},
            register_client::{RegisterClient, register_client},
        },
        registrar::{Registrar, RegistrarError},
    },
    domain::{
        client::{AccessTokenFormat, ClientKind, ClientStatus},
        id::ClientId,
        user::UserStatus,
    },
};

use super::support::app::{TestApp, USERNAME, client, on_both};

fn registrar(app: &TestApp) -> Registrar {
    app.registrar()
}

async fn is_dead(app: &TestApp, tokens: &serde_json::Value) {
    let userinfo = app
        .get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap())
        .await;
    userinfo.assert_error(401, "invalid_token");
}

on_both! {
    async fn a_new_password_ends_every_token_from_before(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        app.clock.advance(Duration::from_secs(1));
        set_password(&registrar(&app), USERNAME, &"another password".into()).await.unwrap();
        is_dead(&app, &tokens).await;
        let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        refreshed.assert_error(400, "invalid_grant");
        assert!(app.events().await.contains(&"password.changed"));
    }

    async fn a_user_who_is_locked_out_has_no_live_token(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        app.clock.advance(Duration::from_secs(1));
        let registrar = registrar(&app);
        set_user_status(&registrar, USERNAME, UserStatus::Inactive).await.unwrap();
        is_dead(&app, &tokens).await;
        // Letting the user in again does not bring old tokens back.
        set_user_status(&registrar, USERNAME, UserStatus::Active).await.unwrap();
        is_dead(&app, &tokens).await;
        let events = app.events().await;
        assert!(events.contains(&"user.deactivated") && events.contains(&"user.activated"), "{events:?}");
    }

    async fn a_disabled_client_neither_authenticates_nor_has_live_tokens(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        app.clock.advance(Duration::from_secs(1));
        let id = ClientId::new("web");
        set_client_status(&registrar(&app), &id, ClientStatus::Inactive).await.unwrap();
        is_dead(&app, &tokens).await;
        let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        refreshed.assert_error(401, "invalid_client");
        assert!(app.events().await.contains(&"client.changed"));
    }

    async fn an_old_secret_works_until_its_overlap_has_passed(app: TestApp) {
        let id = ClientId::new("web");
        let overlap = Duration::from_mins(10);
        rotate_client_secret(&registrar(&app), &id, None, (overlap, false)).await.unwrap();
        let tokens = app.tokens("web", "openid offline_access").await;
        app.clock.advance(overlap);
        let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        refreshed.assert_error(401, "invalid_client");
    }

    async fn c006_c116_c117_no_client_is_made_with_an_address_that_scripts_leaks_or_matches_others(app: TestApp) {
        for uri in [
            "JavaScript:alert(1)", "javascript://rp.example/%0aalert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://rp.example/x",
            "https://rp.example/cb#fragment", "https://*.rp.example/cb", "https://rp.example/*", "/cb", "rp.example/cb", "",
            "http://rp.example/cb", "http://localhost.evil.test/cb", "http://127.0.0.1.evil.test/cb", "http://127.0.0.1@evil.test/cb", "https://user@rp.example/cb",
            "https://rp.example/\u{0}", "https://rp.example\\@evil.test/cb", " https://rp.example/cb", "myapp:cb",
        ] {
            for field in ["redirect_uris", "post_logout_redirect_uris"] {
                let mut command = RegisterClient::preset(ClientKind::Web, "evil");
                command.settings.redirect_uris = Some(vec!["https://rp.example/cb".into()]);
                if field == "redirect_uris" {
                    command.settings.redirect_uris = Some(vec![uri.into()]);
                } else {
                    command.settings.post_logout_redirect_uris = Some(vec![uri.into()]);
                }
                let refused = register_client(&registrar(&app), command).await.map(drop);
                assert!(matches!(refused, Err(RegistrarError::Invalid { .. })), "{field} {uri:?}");
            }
        }
        assert!(!app.events().await.contains(&"client.created"));
    }

    async fn c076_no_client_takes_the_form_of_a_user(app: TestApp) {
        for id in [app.user.to_string(), app.user.to_string().to_uppercase(), app.user.to_string().replace('-', "")] {
            let command = RegisterClient { id: Some(id.clone()), ..RegisterClient::preset(ClientKind::Service, "evil") };
            let refused = register_client(&registrar(&app), command).await.map(drop);
            assert!(matches!(refused, Err(RegistrarError::Invalid { field: "client_id", .. })), "{id}");
        }
        let made = register_client(&registrar(&app), RegisterClient::preset(ClientKind::Service, "good")).await.unwrap();
        assert!(!made.client.id.has_form_of_user());
    }

    async fn c076_a_client_that_has_the_id_of_a_user_cannot_act_as_one(app: TestApp) {
        let id = app.user.to_string();
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            let work = app.begin().await;
            let mut client = client(&id);
            client.tokens.access_token_format = format;
            if format == AccessTokenFormat::Jwt {
                work.add_client(&client).await.unwrap();
            } else {
                work.update_client(&client).await.unwrap();
            }
            work.commit().await.unwrap();
            let own = app.token(&id, &[("grant_type", "client_credentials")]).await;
            own.assert_error(400, "unauthorized_client");
            // What a user granted it is the user's, and ends with the grant.
            let tokens = app.tokens(&id, "openid offline_access").await;
            let token = tokens["access_token"].as_str().unwrap();
            assert_eq!(app.get_with("/oauth2/userinfo", token).await.json()["sub"], id.as_str());
            let refresh = [("token", tokens["refresh_token"].as_str().unwrap())];
            app.post_as(&id, "/oauth2/revoke", &refresh).await;
            is_dead(&app, &tokens).await;
        }
    }
}
