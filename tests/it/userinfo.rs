//! OIDC Core §5.3 and RFC 6750 at the userinfo endpoint.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{application::ports::Clock as _, domain::client::AccessTokenFormat};

use super::support::app::on_both;

const URI: &str = "/oauth2/userinfo";

on_both! {
    async fn each_scope_releases_its_claims_and_no_others(app: TestApp) {
        for (scope, claims) in [
            ("openid", vec!["sub"]),
            ("openid email", vec!["email", "email_verified", "sub"]),
            ("openid phone", vec!["phone_number", "phone_number_verified", "sub"]),
            ("openid address", vec!["address", "sub"]),
            (
                "openid profile",
                vec![
                    "birthdate", "family_name", "gender", "given_name", "locale", "middle_name", "name", "nickname",
                    "picture", "preferred_username", "profile", "sub", "updated_at", "website", "zoneinfo",
                ],
            ),
        ] {
            let tokens = app.tokens("web", scope).await;
            let answer = app.get_with(URI, tokens["access_token"].as_str().unwrap()).await;
            let json = answer.json();
            let mut names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, claims, "{scope}");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }

    async fn claims_have_the_types_of_the_specification(app: TestApp) {
        let tokens = app.tokens("web", "openid profile email address phone").await;
        let json = app.get_with(URI, tokens["access_token"].as_str().unwrap()).await.json();
        assert!(json["updated_at"].is_i64() && json["email_verified"] == true && json["phone_number_verified"] == true);
        assert_eq!(json["address"]["formatted"], "Example Street 1\n10115 Berlin");
        assert!(json["address"].get("country").is_none(), "absent, not null");
    }

    async fn absent_claims_are_omitted(app: TestApp) {
        app.change_user(|user| {
            user.email = None;
            user.profile = countersign::domain::user::Profile::default();
        }).await;
        let tokens = app.tokens("web", "openid profile email address phone").await;
        let json = app.get_with(URI, tokens["access_token"].as_str().unwrap()).await.json();
        let mut names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["preferred_username", "sub", "updated_at"]);
    }

    async fn the_token_may_come_in_the_header_or_in_a_form_but_in_one_place_only(app: TestApp) {
        let tokens = app.tokens("web", "openid").await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(app.post(URI, &[("access_token", token)]).await.status, StatusCode::OK);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            for method in ["GET", "POST"] {
                let request = Request::builder().method(method).uri(URI).header(header::AUTHORIZATION, format!("{scheme} {token}"));
                assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK, "{scheme} {method}");
            }
        }
        let both = Request::post(URI)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("access_token={token}")))
            .unwrap();
        app.send(both).await.assert_error(400, "invalid_request");
    }

    async fn c128_a_token_in_the_query_is_refused(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid").await;
            let uri = format!("{URI}?access_token={}", tokens["access_token"].as_str().unwrap());
            app.get(&uri).await.assert_error(400, "invalid_request");
        }
    }

    async fn without_a_token_the_challenge_has_no_error_code(app: TestApp) {
        let answer = app.get(URI).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"countersign\"");
    }

    async fn malformed_headers_are_refused_with_a_challenge(app: TestApp) {
        for value in ["Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer \u{e4}", "bearer", "Bearer a,b"] {
            let request = Request::get(URI).header(header::AUTHORIZATION, value.as_bytes()).body(Body::empty()).unwrap();
            let answer = app.send(request).await;
            answer.assert_error(401, "invalid_token");
            assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
        }
    }

    async fn c127_a_revoked_token_an_id_token_and_one_without_openid_are_refused(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid").await;
            let (access, id) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
            app.get_with(URI, id).await.assert_error(401, "invalid_token");
            app.get_with(URI, &format!("{access}x")).await.assert_error(401, "invalid_token");
            assert_eq!(app.post_as("web", "/oauth2/revoke", &[("token", access)]).await.status, StatusCode::OK);
            app.get_with(URI, access).await.assert_error(401, "invalid_token");
            let without = app.tokens("web", "reports:read").await;
            let answer = app.get_with(URI, without["access_token"].as_str().unwrap()).await;
            answer.assert_error(403, "insufficient_scope");
            let service = app.token("service", &[("grant_type", "client_credentials"), ("scope", "reports:read")]).await.json();
            assert_eq!(app.get_with(URI, service["access_token"].as_str().unwrap()).await.status, StatusCode::FORBIDDEN);
        }
    }

    async fn c129_tokens_of_a_disabled_account_are_refused_even_after_it_is_enabled_again(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid").await;
            let token = tokens["access_token"].as_str().unwrap();
            let now = app.clock.now();
            app.change_user(|user| user.deactivate(now)).await;
            app.get_with(URI, token).await.assert_error(401, "invalid_token");
            app.change_user(|user| user.activate(now)).await;
            app.get_with(URI, token).await.assert_error(401, "invalid_token");
            app.clock.advance(std::time::Duration::from_secs(1));
        }
    }

    async fn a_token_dies_when_it_expires(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid").await;
            let token = tokens["access_token"].as_str().unwrap();
            app.clock.advance(std::time::Duration::from_secs(599));
            assert_eq!(app.get_with(URI, token).await.status, StatusCode::OK);
            app.clock.advance(std::time::Duration::from_secs(1));
            app.get_with(URI, token).await.assert_error(401, "invalid_token");
        }
    }
}
