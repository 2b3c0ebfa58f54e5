//! OAuth 2.0 Multiple Response Type Encoding Practices, OIDC Core §3.2, §3.3 — what an authorization
//! response carries, and how it travels.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::domain::{
    client::{AccessTokenFormat, ClientStatus, GrantType, PkcePolicy, ResponseMode},
    response_type::ResponseType,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::support::app::{
    Answer, Browser, CALLBACK, ISSUER, Stage, TestApp, claims, on_both, random_offset,
};

const STAGES: [Stage; 2] = [Stage::Embedded, Stage::Servers];
const FORMATS: [AccessTokenFormat; 2] = [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque];
const USERINFO: &str = "/oauth2/userinfo";

async fn every_type(stage: Stage) -> TestApp {
    TestApp::start_with_every_response_type(stage).await
}

/// The answer to a request for this response type, after login and consent where needed.
async fn ask(app: &TestApp, response_type: &str, extra: &[(&str, &str)]) -> Answer {
    let mut browser = Browser::new(app);
    let fields = [&[("response_type", response_type)], extra].concat();
    let answer = browser.authorize("web", &fields).await;
    browser.finish(answer).await
}

fn half(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16])
}

async fn userinfo(app: &TestApp, token: &str) -> u16 {
    app.get_with(USERINFO, token).await.status.as_u16()
}

#[tokio::test]
async fn each_response_type_brings_its_parts_in_the_fragment_and_nothing_else() {
    for stage in STAGES {
        let app = every_type(stage).await;
        for known in ResponseType::ALL {
            let answer = ask(&app, known.as_str(), &[]).await;
            let location = answer.location();
            let separator = if known.shows_tokens() { '#' } else { '?' };
            let (_, text) = location.split_once(separator).unwrap();
            let names: BTreeSet<String> = url::form_urlencoded::parse(text.as_bytes())
                .map(|(name, _)| name.into_owned())
                .collect();
            let mut expected = BTreeSet::from(["state", "iss", "session_state"]);
            if known.has_code() {
                expected.insert("code");
            }
            if known.has_id_token() {
                expected.insert("id_token");
            }
            if known.has_token() {
                expected.extend(["access_token", "token_type", "expires_in", "scope"]);
            }
            let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(names, expected, "{known}");
            assert_eq!(answer.location_param("iss").as_deref(), Some(ISSUER));
            assert_eq!(answer.location_param("state").as_deref(), Some("the-state"));
        }
    }
}

#[tokio::test]
async fn an_id_token_of_the_browser_binds_the_code_the_access_token_and_the_state() {
    let app = every_type(Stage::Embedded).await;
    for known in ResponseType::ALL.iter().filter(|it| it.has_id_token()) {
        let answer = ask(&app, known.as_str(), &[]).await;
        let id_token = claims(&answer.location_param("id_token").unwrap());
        let hash = |name: &str| {
            answer
                .location_param(name)
                .map_or(Value::Null, |it| half(&it).into())
        };
        assert_eq!(id_token["c_hash"], hash("code"), "{known}");
        assert_eq!(id_token["at_hash"], hash("access_token"), "{known}");
        assert_eq!(id_token["s_hash"], hash("state"), "{known}");
        assert_eq!(id_token["nonce"], "the-nonce");
        assert_eq!(id_token["aud"], "web");
        assert_eq!(id_token["sub"], app.user.as_str());
    }
}

#[tokio::test]
async fn the_id_token_carries_the_claims_only_where_no_access_token_leads_to_them() {
    let app = every_type(Stage::Embedded).await;
    for known in ResponseType::ALL.iter().filter(|it| it.has_id_token()) {
        let answer = ask(&app, known.as_str(), &[("scope", "openid email")]).await;
        let id_token = claims(&answer.location_param("id_token").unwrap());
        let alone = *known == "id_token".parse().unwrap();
        assert_eq!(id_token["email"].is_string(), alone, "{known}: {id_token}");
        assert_eq!(id_token["name"], Value::Null, "profile was not asked for");
    }
}

#[tokio::test]
async fn a_code_of_the_hybrid_flow_is_redeemed_as_any_other() {
    for stage in STAGES {
        let app = every_type(stage).await;
        for known in ResponseType::ALL.iter().filter(|it| it.has_code()) {
            let answer = ask(&app, known.as_str(), &[]).await;
            let code = answer.location_param("code").unwrap();
            let tokens = app.redeem("web", &code).await.json();
            let id_token = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(id_token["nonce"], "the-nonce", "{known}");
            assert_eq!(id_token["c_hash"], Value::Null, "{known}");
            if let Some(first) = answer.location_param("id_token") {
                // §3.3.3.6: the same subject and issuer.
                let first = claims(&first);
                assert_eq!(
                    (&first["iss"], &first["sub"]),
                    (&id_token["iss"], &id_token["sub"])
                );
            }
        }
    }
}

#[tokio::test]
async fn an_access_token_of_the_browser_works_on_every_node_until_it_is_revoked_or_ended() {
    for (stage, format) in STAGES.into_iter().flat_map(|s| FORMATS.map(|f| (s, f))) {
        let app = every_type(stage).await;
        app.change_client("web", |client| client.tokens.access_token_format = format)
            .await;
        let token = async || {
            let answer = ask(&app, "id_token token", &[]).await;
            answer.location_param("access_token").unwrap()
        };
        let (revoked, ended) = (token().await, token().await);
        for token in [&revoked, &ended] {
            assert_eq!(userinfo(&app, token).await, 200);
        }
        let other = app.second_worker().await.router();
        let fields = [("token", revoked.as_str())];
        assert_eq!(
            app.post_as("web", "/oauth2/revoke", &fields)
                .await
                .status
                .as_u16(),
            200
        );
        assert_eq!(userinfo(&app, &revoked).await, 401);
        let now = countersign::application::ports::Clock::now(&*app.clock);
        app.change_user(|user| user.end_everything(now)).await;
        assert_eq!(userinfo(&app, &ended).await, 401);
        for token in [&revoked, &ended] {
            let request = axum::http::Request::get(USERINFO)
                .header("authorization", format!("Bearer {token}"))
                .body(axum::body::Body::empty())
                .unwrap();
            let answer = super::support::app::send(&other, request).await;
            assert_eq!(answer.status.as_u16(), 401, "on the second node");
        }
    }
}

#[tokio::test]
async fn a_replayed_code_ends_the_tokens_that_went_beside_it() {
    for (stage, format) in STAGES.into_iter().flat_map(|s| FORMATS.map(|f| (s, f))) {
        let app = every_type(stage).await;
        app.change_client("web", |client| client.tokens.access_token_format = format)
            .await;
        let answer = ask(&app, "code token", &[]).await;
        let code = answer.location_param("code").unwrap();
        let shown = answer.location_param("access_token").unwrap();
        assert_eq!(userinfo(&app, &shown).await, 200);
        let tokens = app.redeem("web", &code).await.json();
        assert_eq!(
            userinfo(&app, &shown).await,
            200,
            "a code that is redeemed ends nothing"
        );
        app.redeem("web", &code)
            .await
            .assert_error(400, "invalid_grant");
        assert_eq!(userinfo(&app, &shown).await, 401);
        assert_eq!(
            userinfo(&app, tokens["access_token"].as_str().unwrap()).await,
            401
        );
    }
}

#[tokio::test]
async fn a_token_of_the_browser_outlives_the_state_store_forgetting_and_its_revocation_too() {
    let app = every_type(Stage::Embedded).await;
    let token = async || {
        let answer = ask(&app, "id_token token", &[]).await;
        answer.location_param("access_token").unwrap()
    };
    let (kept, revoked) = (token().await, token().await);
    let fields = [("token", revoked.as_str())];
    app.post_as("web", "/oauth2/revoke", &fields).await;
    let app = app.restarted().await;
    assert_eq!(userinfo(&app, &kept).await, 200);
    assert_eq!(userinfo(&app, &revoked).await, 401);
}

on_both! {
    async fn only_the_code_flow_is_offered_unless_the_operator_says_otherwise(app: TestApp) {
        let document = app.get("/.well-known/openid-configuration").await.json();
        assert_eq!(document["response_types_supported"], serde_json::json!(["code"]));
        let grants = document["grant_types_supported"].to_string();
        assert!(!grants.contains("implicit"), "{grants}");
        for known in ResponseType::ALL.iter().filter(|it| **it != ResponseType::CODE) {
            let answer = ask(&app, known.as_str(), &[]).await;
            answer.assert_redirected_error("unsupported_response_type");
        }
    }
}

#[tokio::test]
async fn a_client_gets_only_what_it_is_registered_for() {
    let app = every_type(Stage::Embedded).await;
    let document = app.get("/.well-known/openid-configuration").await.json();
    let all: Vec<&str> = ResponseType::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(document["response_types_supported"], serde_json::json!(all));
    assert!(
        document["grant_types_supported"]
            .to_string()
            .contains("implicit")
    );
    app.change_client("web", |client| {
        client.grant_types.remove(&GrantType::Implicit);
    })
    .await;
    for known in ResponseType::ALL {
        let answer = ask(&app, known.as_str(), &[]).await;
        if known.shows_tokens() {
            answer.assert_redirected_error("unauthorized_client");
        } else {
            assert_eq!(answer.location_param("error"), None, "{known}");
        }
    }
    app.change_client("web", |client| {
        client.response_types = [ResponseType::CODE].into();
    })
    .await;
    ask(&app, "none", &[])
        .await
        .assert_redirected_error("unauthorized_client");
}

#[tokio::test]
async fn tokens_never_travel_in_the_query_not_even_as_an_error() {
    let app = every_type(Stage::Embedded).await;
    for known in ResponseType::ALL.iter().filter(|it| it.shows_tokens()) {
        let answer = ask(&app, known.as_str(), &[("response_mode", "query")]).await;
        answer.assert_redirected_error("invalid_request");
        assert!(
            answer.location().contains('#'),
            "{known}: {}",
            answer.location()
        );
        let silent = ask(&app, known.as_str(), &[("prompt", "none")]).await;
        silent.assert_redirected_error("login_required");
        assert!(
            silent.location().contains('#'),
            "{known}: {}",
            silent.location()
        );
    }
    // A client that is answered in the query only cannot be answered with tokens.
    app.change_client("web", |client| {
        client.response_modes = [ResponseMode::Query].into();
    })
    .await;
    let answer = ask(&app, "id_token", &[("response_mode", "query")]).await;
    assert!(answer.location().contains('#'), "{}", answer.location());
}

#[tokio::test]
async fn form_post_carries_every_response_type() {
    let app = every_type(Stage::Embedded).await;
    for known in ResponseType::ALL {
        let answer = ask(&app, known.as_str(), &[("response_mode", "form_post")]).await;
        assert_eq!(answer.status.as_u16(), 200, "{known}");
        let has = |name: &str| answer.body.contains(&format!("name=\"{name}\""));
        assert_eq!(has("code"), known.has_code(), "{known}");
        assert_eq!(has("id_token"), known.has_id_token(), "{known}");
        assert_eq!(has("access_token"), known.has_token(), "{known}");
    }
}

#[tokio::test]
async fn an_id_token_of_the_browser_needs_a_nonce_and_openid() {
    let app = every_type(Stage::Embedded).await;
    for known in ResponseType::ALL {
        let without = ask(&app, known.as_str(), &[("nonce", "")]).await;
        let foreign = ask(&app, known.as_str(), &[("scope", "email")]).await;
        if known.has_id_token() {
            without.assert_redirected_error("invalid_request");
            foreign.assert_redirected_error("invalid_scope");
        } else {
            assert_eq!(without.location_param("error"), None, "{known}");
            assert_eq!(foreign.location_param("error"), None, "{known}");
        }
    }
}

#[tokio::test]
async fn nothing_that_can_be_refreshed_goes_through_the_browser() {
    let app = every_type(Stage::Embedded).await;
    for known in ResponseType::ALL.iter().filter(|it| it.has_token()) {
        let extra = [("scope", "openid offline_access"), ("prompt", "consent")];
        let answer = ask(&app, known.as_str(), &extra).await;
        assert_eq!(answer.location_param("refresh_token"), None);
        assert_eq!(
            answer.location_param("scope").as_deref(),
            Some("openid"),
            "{known}"
        );
        let Some(code) = answer.location_param("code") else {
            continue;
        };
        let tokens = app.redeem("web", &code).await.json();
        assert!(tokens["refresh_token"].is_string(), "{known}");
    }
}

#[tokio::test]
async fn pkce_is_for_codes() {
    let app = every_type(Stage::Embedded).await;
    app.change_client("web", |client| client.pkce = PkcePolicy::Required)
        .await;
    for known in ResponseType::ALL {
        let extra = [("code_challenge", ""), ("code_challenge_method", "")];
        let answer = ask(&app, known.as_str(), &extra).await;
        if known.has_code() {
            answer.assert_redirected_error("invalid_request");
        } else {
            assert_eq!(answer.location_param("error"), None, "{known}");
        }
    }
}

#[tokio::test]
async fn who_may_not_use_a_code_gets_no_token_in_the_browser_either() {
    for stage in STAGES {
        let app = every_type(stage).await;
        let mut browser = Browser::new(&app);
        let fields = [("response_type", "id_token token")];
        let answer = browser.authorize("web", &fields).await;
        assert!(
            browser
                .finish(answer)
                .await
                .location_param("access_token")
                .is_some()
        );
        let now = countersign::application::ports::Clock::now(&*app.clock);
        app.change_client("web", |client| client.not_before = now)
            .await;
        let answer = browser.authorize("web", &fields).await;
        assert_eq!(answer.location_param("access_token"), None, "{answer:?}");
        app.clock.advance(std::time::Duration::from_secs(2));
        app.change_client("web", |client| client.status = ClientStatus::Inactive)
            .await;
        browser.authorize("web", &fields).await.assert_page(400);
    }
}

#[tokio::test]
async fn the_token_endpoint_does_not_know_the_implicit_grant() {
    let app = every_type(Stage::Embedded).await;
    let answer = app.token("web", &[("grant_type", "implicit")]).await;
    answer.assert_error(400, "unsupported_grant_type");
}

/// A logout against a response that is under way: whichever comes first, no token of it outlives the
/// session (security.md 136).
#[tokio::test]
async fn c136_no_token_of_the_browser_outlives_a_logout_that_races_it() {
    for stage in STAGES {
        let app = every_type(stage).await;
        let (mut issued, mut refused) = (0, 0);
        for round in 0..150 {
            let format = FORMATS[round % 2];
            app.change_client("web", |client| {
                client.tokens.access_token_format = format;
            })
            .await;
            let mut browser = Browser::new(&app);
            let fields = [("response_type", "id_token token")];
            let answer = browser.authorize("web", &fields).await;
            let first = browser.finish(answer).await;
            let hint = first.location_param("id_token").unwrap();
            let mut other = Browser::new(&app);
            other.cookies = browser.cookies.clone();
            let logout = format!("/oauth2/logout?id_token_hint={hint}");
            let (answer, _) = tokio::join!(
                async {
                    tokio::time::sleep(random_offset()).await;
                    browser.authorize("web", &fields).await
                },
                async {
                    tokio::time::sleep(random_offset()).await;
                    other.get(&logout).await
                },
            );
            let tokens = [&first, &answer].map(|answer| {
                let is_answer =
                    answer.status.as_u16() == 303 && answer.location().starts_with(CALLBACK);
                is_answer
                    .then(|| answer.location_param("access_token"))
                    .flatten()
            });
            match tokens[1] {
                Some(_) => issued += 1,
                None => refused += 1,
            }
            for token in tokens.iter().flatten() {
                assert_eq!(userinfo(&app, token).await, 401, "round {round}");
            }
        }
        assert!(
            issued + refused == 150 && refused > 0,
            "{issued} issued, {refused} refused"
        );
    }
}

/// What was asked for before the registration shrank is not granted after it (as for a code).
#[tokio::test]
async fn what_the_client_may_not_ask_for_any_more_is_not_in_a_token_of_the_browser() {
    for stage in STAGES {
        let app = every_type(stage).await;
        let mut browser = Browser::new(&app);
        let fields = [
            ("response_type", "id_token token"),
            ("scope", "openid email phone"),
        ];
        let answer = browser.authorize("web", &fields).await;
        app.change_client("web", |client| {
            client.scope = client.scope.without("phone");
        })
        .await;
        let answer = browser.finish(answer).await;
        assert_eq!(
            answer.location_param("scope").as_deref(),
            Some("email openid")
        );
        let token = claims(&answer.location_param("access_token").unwrap());
        assert!(
            !token["scope"].as_str().unwrap().contains("phone"),
            "{token}"
        );
    }
}
