//! OIDC Core §5.5 — claims asked for by name, from the request to userinfo and ID token.

use countersign::domain::client::{AccessTokenFormat, ConsentPolicy};
use serde_json::{Value, json};

use super::support::app::{Browser, TestApp, claims, on_both};

const USERINFO: &str = "/oauth2/userinfo";

/// The tokens of a request with these claims.
async fn tokens(app: &TestApp, asked: &Value, scope: &str) -> Value {
    let text = asked.to_string();
    let extra = [("claims", text.as_str()), ("scope", scope)];
    let code = Browser::new(app).code("web", &extra).await;
    app.redeem("web", &code).await.json()
}

async fn userinfo(app: &TestApp, tokens: &Value) -> Value {
    let token = tokens["access_token"].as_str().unwrap();
    app.get_with(USERINFO, token).await.json()
}

fn id_token(tokens: &Value) -> Value {
    claims(tokens["id_token"].as_str().unwrap())
}

on_both! {
    async fn a_claim_is_delivered_where_it_was_asked_for_and_nowhere_else(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let asked = json!({
                "userinfo": { "name": { "essential": true }, "email": null },
                "id_token": { "nickname": null, "email_verified": { "essential": true } },
            });
            let tokens = tokens(&app, &asked, "openid offline_access").await;
            let (userinfo, id_token) = (userinfo(&app, &tokens).await, id_token(&tokens));
            assert!(userinfo["name"].is_string() && userinfo["email"].is_string(), "{userinfo}");
            assert_eq!((&userinfo["nickname"], &userinfo["birthdate"]), (&Value::Null, &Value::Null));
            assert!(id_token["nickname"].is_string() && id_token["email_verified"].is_boolean());
            assert_eq!((&id_token["name"], &id_token["email"]), (&Value::Null, &Value::Null));
            // They stay with the grant.
            let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.json();
            assert!(id_token["nickname"].is_string());
            let again = app.get_with(USERINFO, refreshed["access_token"].as_str().unwrap()).await.json();
            assert_eq!(again["name"], userinfo["name"]);
        }
    }
}

on_both! {
    async fn only_what_the_client_may_see_is_released_also_after_that_shrank(app: TestApp) {
        let asked = json!({ "userinfo": { "name": null, "email": null }, "id_token": { "email": null } });
        let before = tokens(&app, &asked, "openid").await;
        app.change_client("web", |client| client.scope = client.scope.without("email")).await;
        let after = tokens(&app, &asked, "openid").await;
        assert!(id_token(&before)["email"].is_string());
        assert_eq!(id_token(&after)["email"], Value::Null);
        for tokens in [before, after] {
            let userinfo = userinfo(&app, &tokens).await;
            assert!(userinfo["name"].is_string());
            assert_eq!(userinfo["email"], Value::Null, "{userinfo}");
        }
    }
}

on_both! {
    async fn a_claim_with_another_value_than_is_asked_for_is_left_out(app: TestApp) {
        let user = userinfo(&app, &tokens(&app, &json!({}), "openid profile").await).await;
        let fitting = json!({ "userinfo": { "nickname": { "values": ["x", user["nickname"]] } } });
        let other = json!({ "userinfo": { "nickname": { "value": "somebody else" } } });
        assert_eq!(userinfo(&app, &tokens(&app, &fitting, "openid").await).await["nickname"], user["nickname"]);
        assert_eq!(userinfo(&app, &tokens(&app, &other, "openid").await).await["nickname"], Value::Null);
    }
}

on_both! {
    async fn sub_with_a_value_is_a_requirement(app: TestApp) {
        let stranger = app.add_user("bob").await;
        for place in ["userinfo", "id_token"] {
            let own = json!({ place: { "sub": { "value": app.user.as_str() } } });
            assert!(tokens(&app, &own, "openid").await["id_token"].is_string());
            let foreign = json!({ place: { "sub": { "value": stranger.as_str() } } }).to_string();
            let mut browser = Browser::new(&app);
            browser.code("web", &[]).await;
            for prompt in ["", "none"] {
                let extra = [("claims", foreign.as_str()), ("prompt", prompt)];
                let answer = browser.authorize("web", &extra).await;
                answer.assert_redirected_error("login_required");
            }
            let mut fresh = Browser::new(&app);
            let answer = fresh.authorize("web", &[("claims", foreign.as_str())]).await;
            fresh.finish(answer).await.assert_redirected_error("login_required");
        }
    }
}

on_both! {
    async fn c042_an_essential_acr_that_no_login_reaches_is_refused_and_a_wish_is_not(app: TestApp) {
        let asked = |essential: bool, acr: &str| {
            json!({ "id_token": { "acr": { "essential": essential, "values": [acr] } } })
        };
        let refused = asked(true, "urn:example:gold").to_string();
        let mut browser = Browser::new(&app);
        let answer = browser.authorize("web", &[("claims", refused.as_str())]).await;
        browser.finish(answer).await.assert_redirected_error("unmet_authentication_requirements");
        for fine in [asked(false, "urn:example:gold"), asked(true, "urn:countersign:acr:password")] {
            let tokens = tokens(&app, &fine, "openid").await;
            assert_eq!(id_token(&tokens)["acr"], "urn:countersign:acr:password");
        }
    }
}

on_both! {
    async fn the_user_is_asked_about_each_claim_once_and_sees_it_in_words(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let asked = json!({ "userinfo": { "birthdate": null } }).to_string();
        let extra = [("claims", asked.as_str())];
        let answer = browser.authorize("web", &extra).await;
        let page = browser.get(answer.location()).await;
        assert!(page.body.contains("your date of birth"), "{}", page.body);
        let silent = browser.authorize("web", &[("claims", asked.as_str()), ("prompt", "none")]).await;
        silent.assert_redirected_error("consent_required");
        browser.code("web", &extra).await;
        assert!(browser.authorize("web", &extra).await.location_param("code").is_some());
        // What a scope covers that was allowed is not asked about again.
        browser.code("web", &[("scope", "openid email")]).await;
        let covered = json!({ "id_token": { "email": null } }).to_string();
        let answer = browser.authorize("web", &[("claims", covered.as_str())]).await;
        assert!(answer.location_param("code").is_some());
        let more = json!({ "userinfo": { "birthdate": null, "name": null } }).to_string();
        let answer = browser.authorize("web", &[("claims", more.as_str())]).await;
        assert!(answer.location().starts_with("/consent"), "{}", answer.location());
        app.change_client("web", |client| client.consent = ConsentPolicy::Implied).await;
        let answer = browser.authorize("web", &[("claims", more.as_str())]).await;
        assert!(answer.location_param("code").is_some());
    }
}

on_both! {
    async fn c042_whatever_is_no_claims_request_is_an_invalid_request(app: TestApp) {
        let long = json!({ "userinfo": { "x".repeat(5000): null } }).to_string();
        for text in ["{", "[]", "1", r#"{"userinfo": 1}"#, r#"{"id_token": {"sub": 1}}"#, long.as_str()] {
            let answer = Browser::new(&app).authorize("web", &[("claims", text)]).await;
            answer.assert_redirected_error("invalid_request");
        }
    }
}
