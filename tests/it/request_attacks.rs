//! Attacks on the authorization endpoint (security.md A), over HTTP on both stages.

use std::net::TcpListener;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::domain::{
    client::{PkcePolicy, ResponseMode},
    redirect_uri::RedirectUri,
};
use serde_json::{Value, json};

use super::support::app::{
    Answer, Browser, CALLBACK, CHALLENGE, ISSUER, TestApp, authorize_uri, claims, encode, on_both,
    raw,
};

/// Asserts that a request with these parameters ends on a page, and writes nothing.
async fn assert_page(app: &TestApp, extra: &[(&str, &str)]) {
    let before = app.events().await.len();
    app.get(&authorize_uri("web", extra)).await.assert_page(400);
    assert_eq!(app.events().await.len(), before);
}

/// Asserts that a request with these parameters ends with an error at the client, with its state.
async fn assert_redirected(app: &TestApp, extra: &[(&str, &str)], code: &str) {
    let answer = app.get(&authorize_uri("web", extra)).await;
    answer.assert_redirected_error(code);
    assert_eq!(
        answer.location_param("state").as_deref(),
        Some("the-state"),
        "{extra:?}"
    );
    let description = answer.location_param("error_description").unwrap();
    assert!(
        description.is_ascii() && !description.contains(['"', '\\']),
        "{description}"
    );
}

on_both! {
    async fn c001_to_c009_no_variation_of_a_redirect_uri_is_followed(app: TestApp) {
        for uri in [
            "https://rp.example/Callback",
            "https://RP.example/callback",
            "HTTPS://rp.example/callback",
            "https://rp.example/callback?x=1",
            "https://rp.example/callback/",
            "https://rp.example/callback/../callback",
            "https://rp.example/..;/callback",
            "https://rp.example/%2e%2e/callback",
            "https://rp.example/%63allback",
            "https://rp.example/%2563allback",
            "https://rp.example/%252e%252e/callback",
            "https://rp.example/x/%252e%252e/callback",
            "https://rp.example/..%252fcallback",
            "https://rp.example/callback%252f..%252fcallback",
            "https://rp.example/%25252e%25252e/callback",
            "https://rp.example/%c0%ae%c0%ae/callback",
            "https://rp.example/%u002e%u002e/callback",
            "https://rp.example%252f@evil.test/callback",
            "https://rp.example/callback%2500",
            "https://rp.example/callback%25",
            "https://rp.example//callback",
            "https://rp.example:443/callback",
            "https://user@rp.example/callback",
            "https://rp.example@evil.test/callback",
            "https://rp.example:pass@evil.test@rp.example/callback",
            "https://rpXexample/callback",
            "https://rp.example.evil.test/callback",
            "https://evil.test/https://rp.example/callback",
            "https://rp.example/callback#fragment",
            "https://rp.example/callback ",
            "http://rp.example/callback",
            "http://localhost.evil.test/callback",
            "//rp.example/callback",
            "javascript:alert(1)",
            "https://rp.example\\@evil.test/callback",
        ] {
            assert_page(&app, &[("redirect_uri", uri)]).await;
        }
    }

    async fn c002_only_the_port_of_a_loopback_literal_may_vary(app: TestApp) {
        app.change_client("web", |client| {
            client.redirect_uris.insert(RedirectUri::parse("http://127.0.0.1:7000/cb").unwrap());
        }).await;
        let answer = app.get(&authorize_uri("web", &[("redirect_uri", "http://127.0.0.1:51000/cb")])).await;
        assert!(answer.location().starts_with("/login"));
        for uri in ["http://127.0.0.1:7000/cb?x", "http://127.0.0.2:7000/cb", "http://localhost:7000/cb", "http://127.0.0.1:7000@evil.test/cb"] {
            assert_page(&app, &[("redirect_uri", uri)]).await;
        }
    }

    async fn c007_any_other_error_stays_on_a_page_while_the_address_is_foreign(app: TestApp) {
        for extra in [("response_type", "token"), ("scope", "\""), ("prompt", "nonsense"), ("max_age", "-1"), ("request", "x")] {
            assert_page(&app, &[("redirect_uri", "https://evil.test/"), extra]).await;
        }
    }

    async fn c008_a_missing_redirect_uri_is_never_guessed(app: TestApp) {
        assert_page(&app, &[("redirect_uri", "")]).await;
        app.get(&authorize_uri("nobody", &[])).await.assert_page(400);
        app.get(&authorize_uri("", &[("client_id", "")])).await.assert_page(400);
    }

    async fn c010_other_response_types_are_unsupported(app: TestApp) {
        for response_type in ["token", "id_token", "code token", "code code", "none", "CODE", "code "] {
            assert_redirected(&app, &[("response_type", response_type)], "unsupported_response_type").await;
        }
        assert_redirected(&app, &[("response_type", "")], "invalid_request").await;
    }

    async fn c011_a_response_mode_that_is_not_the_clients_is_refused(app: TestApp) {
        app.change_client("web", |client| {
            client.response_modes.remove(&ResponseMode::FormPost);
        }).await;
        for mode in ["form_post", "web_message", "jwt", "Query"] {
            assert_redirected(&app, &[("response_mode", mode)], "invalid_request").await;
        }
    }

    async fn c012_a_form_post_page_is_inert_whatever_the_state_says(app: TestApp) {
        let state = "\"><script>alert(1)</script>";
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let page = browser.authorize("web", &[("response_mode", "form_post"), ("state", state)]).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.body.contains("<script>alert") && page.body.contains("name=\"iss\""), "{}", page.body);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'nonce-") && !policy.contains("unsafe"), "{policy}");
    }

    async fn c013_to_c015_pkce_cannot_be_stripped_or_weakened(app: TestApp) {
        app.change_client("web", |client| client.pkce = PkcePolicy::Required).await;
        for client in ["web", "spa"] {
            for extra in [
                &[("code_challenge", ""), ("code_challenge_method", "")][..],
                &[("code_challenge_method", "")],
                &[("code_challenge_method", "plain")],
                &[("code_challenge_method", "s256")],
                &[("code_challenge", &CHALLENGE[1..])],
                &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")],
                &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")],
            ] {
                app.get(&authorize_uri(client, extra)).await.assert_redirected_error("invalid_request");
            }
        }
    }

    async fn c016_no_parameter_may_come_twice(app: TestApp) {
        for (twice, page) in [("client_id=web", true), ("redirect_uri=https://rp.example/callback", true), ("scope=openid", false), ("nonce=x", false), ("unknown=1&unknown=2", false)] {
            let answer = app.get(&format!("{}&{twice}", authorize_uri("web", &[]))).await;
            if page {
                answer.assert_page(400);
            } else {
                answer.assert_redirected_error("invalid_request");
            }
        }
        let state = app.get(&format!("{}&state=other", authorize_uri("web", &[]))).await;
        state.assert_redirected_error("invalid_request");
        assert_eq!(state.location_param("state"), None, "which of the two would it be?");
    }

    async fn c017_a_query_that_contradicts_the_body_is_refused(app: TestApp) {
        let body = authorize_uri("web", &[]).split_once('?').unwrap().1.to_owned();
        let request = Request::post("/oauth2/authorize?client_id=other&redirect_uri=https://rp.example/callback")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        app.send(request).await.assert_page(400);
    }

    async fn c018_broken_text_reaches_neither_database_nor_headers(app: TestApp) {
        for value in ["%ff", "%00", "a%0d%0aSet-Cookie:x=1", "%c3%28", "%"] {
            for name in ["state", "nonce", "login_hint", "scope", "unknown"] {
                let kept = authorize_uri("web", &[(name, "")]);
                let answer = app.get(&format!("{kept}&{name}={value}")).await;
                answer.assert_redirected_error("invalid_request");
                assert!(answer.headers.get("x").is_none() && !answer.location().contains(['\r', '\n']));
            }
            app.get(&format!("{}&client_id={value}", authorize_uri("", &[("client_id", "")]))).await.assert_page(400);
            app.get(&format!("{}&redirect_uri={value}", authorize_uri("web", &[("redirect_uri", "")]))).await.assert_page(400);
        }
    }

    async fn long_states_and_nonces_come_back_intact(app: TestApp) {
        let (state, nonce) = ("s".repeat(2048), "n".repeat(384));
        let mut browser = Browser::new(&app);
        let answer = browser.authorize("web", &[("state", &state), ("nonce", &nonce)]).await;
        let answer = browser.finish(answer).await;
        assert_eq!(answer.location_param("state").as_deref(), Some(state.as_str()));
        let tokens = app.redeem("web", &answer.location_param("code").unwrap()).await.json();
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["nonce"], nonce.as_str());
    }

    async fn c022_and_c029_request_objects_are_refused_and_nothing_is_fetched(app: TestApp) {
        // Whoever fetched anything would connect to this; the kernel accepts for it, unasked.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let object = |header: Value| format!("{}.{}.", encode(&header), encode(&json!({ "iss": "web", "client_id": "web", "redirect_uri": CALLBACK, "aud": ISSUER })));
        for header in [
            json!({ "alg": "none" }),
            json!({ "alg": "nOnE" }),
            json!({ "alg": "ES256", "jku": format!("{here}/jwks") }),
            json!({ "alg": "RS256", "x5u": format!("{here}/cert") }),
        ] {
            assert_redirected(&app, &[("request", &object(header))], "request_not_supported").await;
        }
        for uri in [here.clone(), format!("{here}/r#digest"), "urn:ietf:params:oauth:request_uri:x".into(), "file:///etc/passwd".into()] {
            assert_redirected(&app, &[("request_uri", &uri)], "request_uri_not_supported").await;
        }
        // Together with a URI that is not registered, nobody is told anything either.
        assert_page(&app, &[("request_uri", &here), ("redirect_uri", "https://evil.test/")]).await;
        let registration = json!({ "jwks_uri": here, "logo_uri": here, "sector_identifier_uri": here }).to_string();
        assert_redirected(&app, &[("registration", &registration)], "registration_not_supported").await;
        let asked = listener.accept().map(drop).unwrap_err();
        assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock, "somebody fetched");
    }

    async fn an_error_whose_mode_cannot_be_read_goes_the_way_the_client_is_registered_for(app: TestApp) {
        let request = ("request", "eyJhbGciOiJub25lIn0.eyJyZXNwb25zZV9tb2RlIjoiZm9ybV9wb3N0In0.");
        let posted = |answer: &Answer, code: &str| {
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert!(answer.body.contains(&format!("value=\"{code}\"")), "{answer:?}");
        };
        // Legible outside the request object: that mode.
        let answer = app.get(&authorize_uri("web", &[("response_mode", "form_post"), request])).await;
        posted(&answer, "request_not_supported");
        // Nowhere legible, and the client may use the default of the response type.
        assert_redirected(&app, &[request], "request_not_supported").await;
        app.change_client("web", |client| client.response_modes = [ResponseMode::FormPost].into()).await;
        for (extra, code) in [
            (request, "request_not_supported"),
            (("response_mode", "query"), "invalid_request"),
            (("response_mode", "no_such_mode"), "invalid_request"),
            (("response_mode", "form_post&response_mode=query"), "invalid_request"),
        ] {
            let (name, value) = extra;
            let uri = format!("{}&{name}={value}", authorize_uri("web", &[]));
            posted(&app.get(&uri).await, code);
        }
    }

    async fn a_request_without_a_mode_is_answered_in_the_one_the_client_is_registered_for(app: TestApp) {
        for (mode, in_page) in [(ResponseMode::FormPost, true), (ResponseMode::Fragment, false)] {
            app.change_client("web", |client| client.response_modes = [mode].into()).await;
            let mut browser = Browser::new(&app);
            let answer = browser.authorize("web", &[]).await;
            let answer = browser.finish(answer).await;
            if in_page {
                assert!(answer.body.contains("name=\"code\""), "{answer:?}");
            } else {
                assert!(answer.location().contains("#code="), "{answer:?}");
            }
        }
    }

    async fn c033_a_silent_request_that_needs_a_page_is_refused(app: TestApp) {
        assert_redirected(&app, &[("prompt", "none")], "login_required").await;
        for mode in ["fragment", "form_post"] {
            let answer = app.get(&authorize_uri("web", &[("prompt", "none"), ("response_mode", mode)])).await;
            if mode == "fragment" {
                assert!(answer.location().contains("#error=login_required"));
            } else {
                assert!(answer.body.contains("value=\"login_required\""));
            }
        }
    }

    async fn c034_an_old_session_does_not_satisfy_a_fresh_login(app: TestApp) {
        let mut browser = Browser::new(&app);
        let code = browser.code("web", &[]).await;
        let first = app.redeem("web", &code).await.json();
        app.clock.advance(std::time::Duration::from_secs(5));
        let answer = browser.authorize("web", &[("prompt", "login")]).await;
        let login = answer.location().to_owned();
        assert!(login.starts_with("/login"));
        // The user leaves the page and goes straight back to the junction.
        let id = login.split_once("interaction=").unwrap().1;
        let resumed = browser.get(&format!("/oauth2/authorize/resume?interaction={id}")).await;
        assert!(resumed.location().starts_with("/login"), "{}", resumed.location());
        let answer = browser.finish(resumed).await;
        let second = app.redeem("web", &answer.location_param("code").unwrap()).await.json();
        let time = |tokens: &serde_json::Value| claims(tokens["id_token"].as_str().unwrap())["auth_time"].as_i64().unwrap();
        assert_eq!(time(&second), time(&first) + 5);
    }

    async fn c035_max_age_asks_again_when_the_login_is_too_old(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        app.clock.advance(std::time::Duration::from_secs(10));
        assert!(browser.authorize("web", &[("max_age", "10")]).await.location_param("code").is_some());
        for max_age in ["9", "0"] {
            assert!(browser.authorize("web", &[("max_age", max_age)]).await.location().starts_with("/login"));
        }
        for max_age in ["-1", "1e3", "99999999999", "x"] {
            assert_redirected(&app, &[("max_age", max_age)], "invalid_request").await;
        }
    }

    async fn c036_every_response_names_its_issuer(app: TestApp) {
        let mut browser = Browser::new(&app);
        let answer = browser.authorize("web", &[]).await;
        assert_eq!(browser.finish(answer).await.location_param("iss").as_deref(), Some(ISSUER));
        let error = app.get(&authorize_uri("web", &[("prompt", "none")])).await;
        assert_eq!(error.location_param("iss").as_deref(), Some(ISSUER));
    }

    async fn c039_a_hint_about_another_user_is_login_required(app: TestApp) {
        let tokens = app.tokens("web", "openid").await;
        let hint = tokens["id_token"].as_str().unwrap().to_owned();
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let same = browser.authorize("web", &[("prompt", "none"), ("id_token_hint", &hint)]).await;
        assert!(same.location_param("code").is_some());
        app.add_user("bob").await;
        let mut bob = Browser::new(&app);
        bob.code_as("bob", "web").await;
        let answer = bob.authorize("web", &[("prompt", "none"), ("id_token_hint", &hint)]).await;
        answer.assert_redirected_error("login_required");
        let forged = format!("{hint}x");
        bob.authorize("web", &[("id_token_hint", &forged)]).await.assert_redirected_error("invalid_request");
    }

    async fn bad_requests_of_any_shape_are_answered_in_form(app: TestApp) {
        for (method, content_type, body) in [
            (Method::POST, "application/json", &b"{}"[..]),
            (Method::POST, "text/plain", b"client_id=web"),
            (Method::POST, "application/x-www-form-urlencoded", b"\xff\xfe"),
            (Method::POST, "application/x-www-form-urlencoded", b""),
            (Method::PUT, "application/x-www-form-urlencoded", b"client_id=web"),
            (Method::DELETE, "", b""),
        ] {
            for uri in ["/oauth2/authorize", "/login", "/consent", "/oauth2/logout/confirm"] {
                let answer = app.send(raw(method.clone(), uri, content_type, body)).await;
                assert!(answer.status.is_client_error(), "{method} {uri} {}", answer.status);
                assert!(answer.header("content-type").starts_with("text/html"), "{method} {uri}");
            }
            for uri in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
                let answer = app.send(raw(method.clone(), uri, content_type, body)).await;
                assert!(answer.status.is_client_error(), "{method} {uri} {}", answer.status);
                assert_eq!(answer.header("content-type"), "application/json", "{method} {uri}");
            }
        }
        assert_eq!(app.get("/no/such/page").await.status, StatusCode::NOT_FOUND);
        let uri = format!("/oauth2/authorize?{}", encode(&[("client_id", "web"), ("redirect_uri", CALLBACK)]));
        app.get(&uri).await.assert_redirected_error("invalid_request");
    }
}
