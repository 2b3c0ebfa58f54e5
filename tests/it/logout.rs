//! OpenID Connect RP-Initiated Logout 1.0.

use axum::http::StatusCode;

use countersign::{
    domain::{algorithm::SigningAlgorithm, client::AccessTokenFormat},
    protocol::id_token,
};

use super::support::app::{
    Browser, ISSUER, Stage, TestApp, claims, encode, hidden_fields, on_both,
};

const BYE: &str = "https://rp.example/bye";

/// Logs in; the ID token and the refresh token.
async fn signed_in(app: &TestApp, browser: &mut Browser<'_>) -> (String, String) {
    let code = browser
        .code("web", &[("scope", "openid offline_access")])
        .await;
    let tokens = app.redeem("web", &code).await.json();
    (
        tokens["id_token"].as_str().unwrap().to_owned(),
        tokens["refresh_token"].as_str().unwrap().to_owned(),
    )
}

fn logout(fields: &[(&str, &str)]) -> String {
    format!("/oauth2/logout?{}", encode(fields))
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser
        .authorize("web", &[("prompt", "none")])
        .await
        .location_param("code")
        .is_some()
}

on_both! {
    async fn a_valid_hint_ends_the_session_and_returns_with_state(app: TestApp) {
        let mut browser = Browser::new(&app);
        let (id_token, _) = signed_in(&app, &mut browser).await;
        let state = "s".repeat(128);
        let uri = logout(&[("id_token_hint", &id_token), ("post_logout_redirect_uri", BYE), ("state", &state)]);
        let answer = browser.get(&uri).await;
        assert_eq!(answer.location(), format!("{BYE}?state={state}"));
        assert!(!is_signed_in(&mut browser).await);
        assert!(app.events().await.contains(&"session.ended"));
    }

    async fn without_state_nothing_is_added(app: TestApp) {
        let mut browser = Browser::new(&app);
        let (id_token, _) = signed_in(&app, &mut browser).await;
        let answer = browser.get(&logout(&[("id_token_hint", &id_token), ("post_logout_redirect_uri", BYE)])).await;
        assert_eq!(answer.location(), BYE);
    }

    async fn an_expired_hint_still_counts(app: TestApp) {
        let mut browser = Browser::new(&app);
        let (id_token, _) = signed_in(&app, &mut browser).await;
        app.clock.advance(std::time::Duration::from_hours(1));
        let answer = browser.get(&logout(&[("id_token_hint", &id_token), ("post_logout_redirect_uri", BYE)])).await;
        assert_eq!(answer.location(), BYE);
    }

    async fn c132_without_a_hint_the_user_is_asked_and_an_image_tag_does_nothing(app: TestApp) {
        let mut browser = Browser::new(&app);
        signed_in(&app, &mut browser).await;
        let page = browser.get("/oauth2/logout").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("id=\"logout\""));
        assert!(is_signed_in(&mut browser).await);
        let fields = hidden_fields(&page.body);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = browser.post("/oauth2/logout/confirm", &fields).await;
        assert_eq!(answer.location(), "/logged-out");
        assert!(!is_signed_in(&mut browser).await);
        assert_eq!(browser.get("/logged-out").await.status, StatusCode::OK);
        browser.post("/oauth2/logout/confirm", &fields).await.assert_page(403);
    }

    async fn a_confirmation_cannot_be_forged(app: TestApp) {
        let mut victim = Browser::new(&app);
        signed_in(&app, &mut victim).await;
        let mut attacker = Browser::new(&app);
        signed_in(&app, &mut attacker).await;
        let page = attacker.get("/oauth2/logout").await;
        let fields = hidden_fields(&page.body);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        victim.post("/oauth2/logout/confirm", &fields).await.assert_page(403);
        assert!(is_signed_in(&mut victim).await);
    }

    async fn c131_an_unregistered_address_is_never_redirected_to(app: TestApp) {
        let mut browser = Browser::new(&app);
        let (id_token, _) = signed_in(&app, &mut browser).await;
        for uri in ["https://evil.example/", "https://rp.example/bye?foo=bar", "https://rp.example/bye/", "HTTPS://rp.example/bye"] {
            browser.get(&logout(&[("id_token_hint", &id_token), ("post_logout_redirect_uri", uri)])).await.assert_page(400);
        }
        browser.get(&logout(&[("post_logout_redirect_uri", BYE)])).await.assert_page(400);
        assert!(is_signed_in(&mut browser).await);
    }

    async fn a_hint_that_is_not_ours_is_refused(app: TestApp) {
        let mut browser = Browser::new(&app);
        let (id_token, _) = signed_in(&app, &mut browser).await;
        let mut parts: Vec<&str> = id_token.split('.').collect();
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
        parts[2] = "AAAA";
        for hint in [unsigned, parts.join("."), "nonsense".into()] {
            browser.get(&logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)])).await.assert_page(400);
        }
        let tokens = app.tokens("web", "openid").await;
        let access = tokens["access_token"].as_str().unwrap();
        browser.get(&logout(&[("id_token_hint", access)])).await.assert_page(400);
        assert!(is_signed_in(&mut browser).await);
    }

    async fn c133_a_hint_from_another_session_leaves_this_one_alone(app: TestApp) {
        let mut attacker = Browser::new(&app);
        let (foreign, _) = signed_in(&app, &mut attacker).await;
        let mut victim = Browser::new(&app);
        signed_in(&app, &mut victim).await;
        for _ in 0..2 {
            let page = victim.get(&logout(&[("id_token_hint", &foreign), ("post_logout_redirect_uri", BYE)])).await;
            assert!(page.body.contains("id=\"logout\""), "asked, not redirected");
            assert!(is_signed_in(&mut victim).await);
            // Expired it is no better.
            app.clock.advance(std::time::Duration::from_hours(1));
        }
        assert!(is_signed_in(&mut attacker).await);
        assert!(!app.events().await.contains(&"session.ended"));
    }

    async fn c133_a_hint_about_another_user_leaves_this_one_alone(app: TestApp) {
        app.add_user("bob").await;
        let mut attacker = Browser::new(&app);
        let code = attacker.code_as("bob", "web").await;
        let tokens = app.redeem("web", &code).await.json();
        let about_bob = tokens["id_token"].as_str().unwrap();
        let mut victim = Browser::new(&app);
        signed_in(&app, &mut victim).await;
        for fields in [&[("id_token_hint", about_bob)][..], &[("id_token_hint", about_bob), ("post_logout_redirect_uri", BYE), ("client_id", "web")]] {
            let page = victim.get(&logout(fields)).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.body.contains("id=\"logout\""), "asked, not redirected");
            let page = victim.post("/oauth2/logout", fields).await;
            assert!(page.body.contains("id=\"logout\""), "asked, not redirected");
            assert!(is_signed_in(&mut victim).await && is_signed_in(&mut attacker).await);
        }
        assert!(!app.events().await.contains(&"session.ended"));
    }

    async fn c133_a_hint_of_another_issuer_ends_nothing(app: TestApp) {
        let mut victim = Browser::new(&app);
        let (own, _) = signed_in(&app, &mut victim).await;
        // One that another issuer signed about the same user, client and session.
        let elsewhere = TestApp::start(Stage::Embedded).await;
        let proper = claims(&own);
        let mut foreign = proper.clone();
        foreign["iss"] = "https://other.example".into();
        let sign = |app: &TestApp, claims: &serde_json::Value| {
            app.ports().signer.sign(id_token::TYP, SigningAlgorithm::Rs256, claims.to_string().as_bytes()).unwrap()
        };
        for hint in [
            sign(&elsewhere, &proper),
            sign(&elsewhere, &foreign),
            // And one of our own keys that names another: only the name is wrong.
            sign(&app, &foreign),
        ] {
            for fields in [&[("id_token_hint", hint.as_str())][..], &[("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)]] {
                victim.get(&logout(fields)).await.assert_page(400);
                victim.post("/oauth2/logout", fields).await.assert_page(400);
            }
        }
        assert!(is_signed_in(&mut victim).await);
        assert!(!app.events().await.contains(&"session.ended"));
        let same = sign(&app, &proper);
        assert_eq!(victim.get(&logout(&[("id_token_hint", &same), ("post_logout_redirect_uri", BYE)])).await.location(), BYE);
    }

    async fn c136_no_token_survives_the_logout_of_its_session(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let mut browser = Browser::new(&app);
            let (id_token, refresh) = signed_in(&app, &mut browser).await;
            let pending = browser.code("web", &[("scope", "openid offline_access")]).await;
            let refreshed = app.refresh("web", &refresh).await.json();
            browser.get(&logout(&[("id_token_hint", &id_token)])).await;
            let access = refreshed["access_token"].as_str().unwrap();
            app.get_with("/oauth2/userinfo", access).await.assert_error(401, "invalid_token");
            for token in [refresh.as_str(), refreshed["refresh_token"].as_str().unwrap()] {
                app.refresh("web", token).await.assert_error(400, "invalid_grant");
            }
            app.redeem("web", &pending).await.assert_error(400, "invalid_grant");
        }
    }

    async fn logout_by_post_works_as_by_get(app: TestApp) {
        let mut browser = Browser::new(&app);
        let (id_token, _) = signed_in(&app, &mut browser).await;
        let fields = [("id_token_hint", id_token.as_str()), ("post_logout_redirect_uri", BYE), ("client_id", "web")];
        assert_eq!(browser.post("/oauth2/logout", &fields).await.location(), BYE);
        let fields = [("id_token_hint", id_token.as_str()), ("client_id", "other")];
        browser.post("/oauth2/logout", &fields).await.assert_page(400);
    }

    async fn nobody_signed_in_is_signed_out_already(app: TestApp) {
        let mut browser = Browser::new(&app);
        assert_eq!(browser.get("/oauth2/logout").await.location(), "/logged-out");
        assert_eq!(ISSUER, app.ports().settings.issuer.as_str());
    }
}

on_both! {
    async fn session_state_tells_a_frame_whether_the_session_is_the_same(app: TestApp) {
        use countersign::domain::id::ClientId;
        use countersign::protocol::session_state::session_state;
        let mut browser = Browser::new(&app);
        let answer = browser.authorize("web", &[]).await;
        let answer = browser.finish(answer).await;
        let told = answer.location_param("session_state").unwrap();
        let (_, salt) = told.split_once('.').unwrap();
        let state = browser.cookies["__Host-countersign-state"].clone();
        let expected = session_state(&ClientId::new("web"), "https://rp.example", &state, salt);
        assert_eq!(told, expected);
        let cookie = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
        let cookie = cookie.filter(|line| line.starts_with("__Host-countersign-state")).collect::<Vec<_>>();
        assert_eq!(cookie, [format!("__Host-countersign-state={state}; Path=/; SameSite=None; Secure")]);
        // The same session, another salt; without openid, nothing; after a logout, another state.
        let again = browser.authorize("web", &[]).await;
        let other = again.location_param("session_state").unwrap();
        assert_ne!(other, told);
        assert_eq!(browser.cookies["__Host-countersign-state"], state);
        let code = again.location_param("code").unwrap();
        let tokens = app.redeem("web", &code).await.json();
        let plain = browser.authorize("web", &[("scope", "email")]).await;
        assert_eq!(browser.finish(plain).await.location_param("session_state"), None);
        browser.get(&format!("/oauth2/logout?id_token_hint={}", tokens["id_token"].as_str().unwrap())).await;
        assert!(!browser.cookies.contains_key("__Host-countersign-state"));
        browser.code("web", &[]).await;
        assert_ne!(browser.cookies["__Host-countersign-state"], state);
        assert!(!state.contains(browser.cookies["__Host-countersign"].as_str()));
    }

    async fn c140_only_the_frame_of_session_management_may_be_framed(app: TestApp) {
        let document = app.get("/.well-known/openid-configuration").await.json();
        let frame = app.get("/oauth2/check_session").await;
        assert_eq!(document["check_session_iframe"], format!("{ISSUER}/oauth2/check_session"));
        let policy = frame.header("content-security-policy").to_owned();
        assert!(policy.ends_with("frame-ancestors *"), "{policy}");
        assert!(policy.contains("form-action 'none'"), "{policy}");
        assert_eq!(frame.header("x-frame-options"), "");
        assert!(frame.body.contains("check_session.js") && !frame.body.contains("<form"));
        for page in ["/", "/login", "/logged-out", "/account"] {
            let answer = app.get(page).await;
            assert!(!answer.header("content-security-policy").contains("frame-ancestors *"), "{page}");
        }
    }
}
