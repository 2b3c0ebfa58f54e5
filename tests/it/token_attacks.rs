//! Attacks on the token endpoint (security.md B), over HTTP on both stages.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use countersign::{
    application::{commands::withdraw_consent::withdraw_consent, ports::Clock as _},
    domain::client::{AccessTokenFormat, ClientStatus, GrantType},
};
use tokio::task::JoinSet;

use super::support::app::{
    Answer, Browser, CALLBACK, SECRET, Stage, TestApp, VERIFIER, basic, encode, on_both, raw, send,
};

/// A code of the client `web` with a refresh token in it.
async fn code(app: &TestApp) -> String {
    Browser::new(app)
        .code("web", &[("scope", "openid offline_access")])
        .await
}

fn exchange(code: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

/// The same request from many tasks at once, over these routers in turn.
async fn race(routers: &[axum::Router], client: &str, fields: &[(&str, &str)]) -> Vec<Answer> {
    let mut tasks = JoinSet::new();
    for n in 0..50 {
        let router = routers[n % routers.len()].clone();
        let request = Request::post("/oauth2/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, basic(client, SECRET))
            .body(Body::from(encode(fields)))
            .unwrap();
        tasks.spawn(async move { send(&router, request).await });
    }
    tasks.join_all().await
}

on_both! {
    async fn c044_code_race(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let code = code(&app).await;
            let answers = race(std::slice::from_ref(&app.router), "web", &exchange(&code)).await;
            let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == StatusCode::OK);
            assert_eq!(won.len(), 1);
            for answer in &lost {
                answer.assert_error(400, "invalid_grant");
            }
            let tokens = won[0].json();
            app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await.assert_error(401, "invalid_token");
            app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
            assert!(app.events().await.contains(&"code.replayed"));
        }
    }

    async fn c045_a_code_of_another_client_is_refused_and_noted(app: TestApp) {
        let code = code(&app).await;
        app.token("other", &exchange(&code)).await.assert_error(400, "invalid_grant");
        assert!(app.events().await.contains(&"code.misused"));
        assert!(!app.events().await.contains(&"grant.issued"));
    }

    async fn c046_a_code_is_worthless_after_its_minute(app: TestApp) {
        let late = code(&app).await;
        app.clock.advance(Duration::from_mins(1));
        app.redeem("web", &late).await.assert_error(400, "invalid_grant");
        let in_time = code(&app).await;
        app.clock.advance(Duration::from_secs(59));
        assert_eq!(app.redeem("web", &in_time).await.status, StatusCode::OK);
    }

    async fn c047_to_c050_every_part_of_the_exchange_must_match(app: TestApp) {
        for (name, value) in [
            ("redirect_uri", "https://rp.example/Callback"),
            ("redirect_uri", "https://rp.example/callback?"),
            ("redirect_uri", "https://rp.example:443/callback"),
            ("redirect_uri", ""),
            ("code_verifier", ""),
            ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"),
            ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX"),
            ("code_verifier", &"x".repeat(129)),
            ("code_verifier", &"!".repeat(43)),
        ] {
            let code = code(&app).await;
            let mut fields = exchange(&code);
            fields.iter_mut().filter(|(field, _)| *field == name).for_each(|field| field.1 = value);
            app.token("web", &fields).await.assert_error(400, "invalid_grant");
            assert!(!app.events().await.contains(&"grant.issued"), "{name}={value}");
        }
    }

    async fn c049_a_verifier_without_a_challenge_is_refused(app: TestApp) {
        let extra = [("code_challenge", ""), ("code_challenge_method", "")];
        let code = Browser::new(&app).code("web", &extra).await;
        app.redeem("web", &code).await.assert_error(400, "invalid_grant");
        let code = Browser::new(&app).code("web", &extra).await;
        let mut fields = exchange(&code);
        fields.retain(|(name, _)| *name != "code_verifier");
        assert_eq!(app.token("web", &fields).await.status, StatusCode::OK);
    }

    async fn c051_another_secret_is_never_taken_for_a_code(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        for name in ["refresh_token", "access_token", "id_token"] {
            app.token("web", &exchange(tokens[name].as_str().unwrap())).await.assert_error(400, "invalid_grant");
        }
        let code = code(&app).await;
        app.refresh("web", &code).await.assert_error(400, "invalid_grant");
    }

    async fn c052_a_rotated_refresh_token_revokes_its_grant_after_the_grace(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid offline_access").await;
            let first = tokens["refresh_token"].as_str().unwrap();
            let rotated = app.refresh("web", first).await.json();
            app.clock.advance(Duration::from_secs(9));
            let retried = app.refresh("web", first).await.json();
            assert_eq!(retried["refresh_token"], rotated["refresh_token"], "a lost answer is repeated");
            app.clock.advance(Duration::from_secs(1));
            app.refresh("web", first).await.assert_error(400, "invalid_grant");
            app.refresh("web", rotated["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
            app.get_with("/oauth2/userinfo", rotated["access_token"].as_str().unwrap()).await.assert_error(401, "invalid_token");
            let events = app.events().await;
            assert!(events.contains(&"refresh.replayed") && events.contains(&"grant.revoked"), "{events:?}");
        }
    }

    async fn c052_without_a_grace_a_retry_is_a_replay(app: TestApp) {
        app.change_client("web", |client| client.tokens.refresh_grace = Some(Duration::ZERO)).await;
        let tokens = app.tokens("web", "openid offline_access").await;
        let first = tokens["refresh_token"].as_str().unwrap();
        assert_eq!(app.refresh("web", first).await.status, StatusCode::OK);
        app.refresh("web", first).await.assert_error(400, "invalid_grant");
    }

    async fn c053_refresh_race_leaves_one_live_leaf(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let first = tokens["refresh_token"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", first)];
        let answers = race(std::slice::from_ref(&app.router), "web", &fields).await;
        let mut successors: Vec<_> = answers.iter().map(|answer| answer.json()["refresh_token"].as_str().unwrap().to_owned()).collect();
        successors.sort_unstable();
        successors.dedup();
        assert_eq!(successors.len(), 1, "every tab got the same successor");
        assert_eq!(app.refresh("web", &successors[0]).await.status, StatusCode::OK);
    }

    async fn c055_another_clients_refresh_token_is_refused_and_noted(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let token = tokens["refresh_token"].as_str().unwrap();
        app.refresh("other", token).await.assert_error(400, "invalid_grant");
        assert!(app.events().await.contains(&"refresh.misused"));
        assert_eq!(app.refresh("web", token).await.status, StatusCode::OK, "its owner is not punished");
    }

    async fn c056_a_refresh_may_narrow_but_never_widen(app: TestApp) {
        let mut browser = Browser::new(&app);
        let extra = [("scope", "openid email offline_access"), ("resource", "https://api.example")];
        let code = browser.code("web", &extra).await;
        let tokens = app.redeem("web", &code).await.json();
        let token = tokens["refresh_token"].as_str().unwrap();
        let refresh = async |extra: (&'static str, &'static str)| {
            app.token("web", &[("grant_type", "refresh_token"), ("refresh_token", token), extra]).await
        };
        refresh(("scope", "openid phone")).await.assert_error(400, "invalid_scope");
        refresh(("resource", "https://other.example")).await.assert_error(400, "invalid_target");
        refresh(("resource", "https://unknown.example")).await.assert_error(400, "invalid_target");
        let narrowed = refresh(("scope", "openid")).await.json();
        assert_eq!(narrowed["scope"], "openid");
        let again = app.refresh("web", narrowed["refresh_token"].as_str().unwrap()).await.json();
        assert_eq!(again["scope"], "email offline_access openid", "the refresh token keeps the whole grant");
    }

    async fn c057_nothing_is_issued_for_a_disabled_user(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let pending = code(&app).await;
        let now = app.clock.now();
        app.change_user(|user| user.deactivate(now)).await;
        app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
        app.redeem("web", &pending).await.assert_error(400, "invalid_grant");
        app.change_user(|user| user.activate(now)).await;
        app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
    }

    async fn c057_nothing_is_issued_after_the_grants_of_a_client_were_withdrawn(app: TestApp) {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            app.change_client("web", |client| client.tokens.access_token_format = format).await;
            let tokens = app.tokens("web", "openid offline_access").await;
            let client = countersign::domain::id::ClientId::new("web");
            let origin = countersign::application::trail::Origin::default();
            assert!(withdraw_consent(app.ports(), &app.user, &client, &origin).await.unwrap());
            app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await.assert_error(401, "invalid_token");
            assert!(app.events().await.contains(&"consent.withdrawn"));
            app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
        }
    }

    async fn c058_and_c075_each_grant_type_asks_whether_the_client_may(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
        let pending = code(&app).await;
        let requests = [
            (GrantType::AuthorizationCode, exchange(&pending)),
            (GrantType::RefreshToken, vec![("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())]),
            (GrantType::ClientCredentials, vec![("grant_type", "client_credentials"), ("scope", "reports:read")]),
        ];
        for (grant_type, fields) in &requests {
            app.change_client("web", |client| _ = client.grant_types.remove(grant_type)).await;
            app.token("web", fields).await.assert_error(400, "unauthorized_client");
            app.change_client("web", |client| _ = client.grant_types.insert(*grant_type)).await;
            app.change_client("web", |client| client.status = ClientStatus::Inactive).await;
            app.token("web", fields).await.assert_error(401, "invalid_client");
            app.change_client("web", |client| client.status = ClientStatus::Active).await;
        }
        let now = app.clock.now();
        app.change_client("web", |client| client.not_before = now).await;
        for (_, fields) in &requests[..2] {
            app.token("web", fields).await.assert_error(400, "invalid_grant");
        }
    }

    async fn c060_more_than_one_proof_is_an_invalid_request(app: TestApp) {
        let fields = [("grant_type", "client_credentials"), ("client_id", "web"), ("client_secret", SECRET)];
        app.token("web", &fields).await.assert_error(400, "invalid_request");
        let fields = [("grant_type", "client_credentials"), ("client_assertion", "a.b.c"), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")];
        app.token("web", &fields).await.assert_error(400, "invalid_request");
    }

    async fn c061_only_the_registered_method_counts(app: TestApp) {
        let fields = [("grant_type", "client_credentials")];
        let body = [("grant_type", "client_credentials"), ("client_id", "web"), ("client_secret", SECRET)];
        app.post("/oauth2/token", &body).await.assert_error(401, "invalid_client");
        let answer = app.post_as("post", "/oauth2/token", &fields).await;
        answer.assert_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"countersign\"");
        let none = [("grant_type", "client_credentials"), ("client_id", "web")];
        app.post("/oauth2/token", &none).await.assert_error(401, "invalid_client");
        let decoy = [("grant_type", "client_credentials"), ("client_id", "web"), ("client_assertion", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3ZWIifQ."), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")];
        app.post("/oauth2/token", &decoy).await.assert_error(401, "invalid_client");
        assert!(app.events().await.contains(&"client.rejected"));
    }

    async fn c098_a_certificate_in_a_header_is_no_proof(app: TestApp) {
        let issued = app.events().await.len();
        for name in ["x-forwarded-client-cert", "x-ssl-cert", "ssl-client-cert", "x-client-cert", "client-cert", "x-ssl-client-verify"] {
            let fields = [("grant_type", "client_credentials"), ("client_id", "service")];
            let request = Request::post("/oauth2/token")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(name, "SUCCESS; Subject=\"CN=service\"")
                .body(Body::from(encode(&fields)))
                .unwrap();
            app.send(request).await.assert_error(401, "invalid_client");
        }
        assert!(!app.events().await[issued..].contains(&"grant.issued"));
    }

    async fn c070_sloppy_credentials_are_rejected(app: TestApp) {
        for value in ["Basic", "Basic !", "Basic d2Vi", "Basic OnNlY3JldA==", "basic  ", "Digest x"] {
            let request = Request::post("/oauth2/token")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::AUTHORIZATION, value)
                .body(Body::from("grant_type=client_credentials"))
                .unwrap();
            app.send(request).await.assert_error(401, "invalid_client");
        }
        let wrong = app.send(
            Request::post("/oauth2/token")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::AUTHORIZATION, basic("web", "wrong"))
                .body(Body::from("grant_type=client_credentials"))
                .unwrap(),
        ).await;
        let unknown = app.send(
            Request::post("/oauth2/token")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::AUTHORIZATION, basic("nobody", "wrong"))
                .body(Body::from("grant_type=client_credentials"))
                .unwrap(),
        ).await;
        assert_eq!((wrong.status, &wrong.body), (unknown.status, &unknown.body), "no hint whether the client exists");
    }

    async fn c073_client_credentials_stay_within_the_client(app: TestApp) {
        let ask = |scope: &'static str| [("grant_type", "client_credentials"), ("scope", scope)];
        app.token("service", &ask("admin")).await.assert_error(400, "invalid_scope");
        app.token("service", &ask("openid")).await.assert_error(400, "invalid_scope");
        app.token("service", &ask("offline_access")).await.assert_error(400, "invalid_scope");
        let tokens = app.token("service", &ask("reports:read")).await.json();
        assert_eq!(tokens["scope"], "reports:read");
        assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
        let public = [("grant_type", "client_credentials"), ("client_id", "spa")];
        app.post("/oauth2/token", &public).await.assert_error(400, "unauthorized_client");
        let target = [("grant_type", "client_credentials"), ("resource", "https://unknown.example")];
        app.token("service", &target).await.assert_error(400, "invalid_target");
    }

    async fn c074_other_methods_bodies_and_duplicates_are_answered_in_json(app: TestApp) {
        let json = app.send(raw(Method::POST, "/oauth2/token", "application/json", b"{\"grant_type\":\"client_credentials\"}")).await;
        json.assert_error(400, "invalid_request");
        assert_eq!(app.get("/oauth2/token").await.status, StatusCode::METHOD_NOT_ALLOWED);
        let fields = [("grant_type", "client_credentials"), ("scope", "a"), ("scope", "b")];
        app.token("web", &fields).await.assert_error(400, "invalid_request");
        app.token("web", &[("grant_type", "")]).await.assert_error(400, "invalid_request");
    }

    async fn c076_a_users_identifier_is_no_client(app: TestApp) {
        let fields = [("grant_type", "client_credentials"), ("client_id", app.user.as_str())];
        app.post("/oauth2/token", &fields).await.assert_error(401, "invalid_client");
    }
}

/// Two nodes on the same servers are one provider.
#[tokio::test]
async fn c044_code_race_over_two_nodes() {
    let app = TestApp::start(Stage::Servers).await;
    let other = app.another_node().await;
    let code = code(&app).await;
    let answers = race(
        &[app.router.clone(), other.router()],
        "web",
        &exchange(&code),
    )
    .await;
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.status == StatusCode::OK)
            .count(),
        1
    );
}

/// Reuse is noticed although the node that rotated is gone.
#[tokio::test]
async fn c054_a_replay_is_noticed_by_another_node() {
    let app = TestApp::start(Stage::Servers).await;
    let tokens = app.tokens("web", "openid offline_access").await;
    let first = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(app.refresh("web", first).await.status, StatusCode::OK);
    app.clock.advance(Duration::from_secs(11));
    let other = app.another_node().await;
    let request = Request::post("/oauth2/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, basic("web", SECRET))
        .body(Body::from(encode(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", first),
        ])))
        .unwrap();
    send(&other.router(), request)
        .await
        .assert_error(400, "invalid_grant");
    assert!(app.events().await.contains(&"refresh.replayed"));
}
