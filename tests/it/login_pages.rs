//! Login, consent and session: security.md G, over HTTP.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    application::ports::Page,
    domain::{
        client::ConsentPolicy,
        id::{ClientId, UserId},
    },
};

use super::support::app::{
    Browser, CALLBACK, ISSUER, PASSWORD, TestApp, USERNAME, authorize_uri, claims, encode,
    hidden_fields, on_both, start, user,
};

const SESSION: &str = "__Host-countersign";

/// A browser at the login page of a fresh request, and that page.
async fn login_page<'a>(app: &'a TestApp, extra: &[(&str, &str)]) -> (Browser<'a>, String) {
    let mut browser = Browser::new(app);
    let location = browser.authorize("web", extra).await.location().to_owned();
    let page = browser.get(&location).await;
    assert_eq!(page.status, StatusCode::OK);
    (browser, page.body)
}

fn with<'a>(
    fields: &'a [(String, String)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .chain(more.iter().copied())
        .collect()
}

/// Asserts that this form is refused when another site posts it, or when its token is missing or wrong.
async fn refused_from_elsewhere(browser: &mut Browser<'_>, uri: &str, fields: &[(&str, &str)]) {
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "https://id.example.evil.example"),
        ("origin", "http://id.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(name, value)
            .body(Body::from(encode(fields)))
            .unwrap();
        browser.send(request).await.assert_page(403);
    }
    for token in [None, Some("x")] {
        let mut forged: Vec<_> = fields.to_vec();
        forged.retain(|(name, _)| *name != "csrf");
        forged.extend(token.map(|token| ("csrf", token)));
        browser.post(uri, &forged).await.assert_page(403);
    }
}

/// Asserts that this user has consented to nothing of the client, and that it holds no grant of theirs.
async fn assert_nothing_granted(app: &TestApp, user: &UserId, client: &str) {
    let client = ClientId::new(client);
    let reader = app.ports().store.reader();
    assert!(reader.consent(user, &client).await.unwrap().is_none());
    let page = Page {
        after: None,
        limit: 1000,
    };
    let events = reader.events(&page).await.unwrap();
    let theirs = events.iter().filter(|event| {
        event.user.as_ref() == Some(user) && event.client.as_ref() == Some(&client)
    });
    let kinds: Vec<_> = theirs.map(|event| event.kind.as_str()).collect();
    assert!(
        !kinds
            .iter()
            .any(|kind| kind.starts_with("consent.") || kind.starts_with("grant.")),
        "{kinds:?}"
    );
}

on_both! {
    async fn c138_a_session_known_before_the_login_is_worthless(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let before = browser.cookies[SESSION].clone();
        let answer = browser.authorize("web", &[("prompt", "login")]).await;
        browser.finish(answer).await;
        assert_ne!(browser.cookies[SESSION], before);
        let mut thief = Browser::new(&app);
        thief.cookies.insert(SESSION.into(), before);
        let answer = thief.authorize("web", &[("prompt", "none")]).await;
        answer.assert_redirected_error("login_required");
        let mut fixed = Browser::new(&app);
        fixed.cookies.insert(SESSION.into(), "AAAAAAAAAAAAAAAAAAAAAA".into());
        fixed.code("web", &[]).await;
        assert_ne!(fixed.cookies[SESSION], "AAAAAAAAAAAAAAAAAAAAAA");
    }

    async fn c139_forms_posted_from_another_site_do_nothing(app: TestApp) {
        let (mut browser, page) = login_page(&app, &[]).await;
        let fields = hidden_fields(&page);
        let login = with(&fields, &[("username", USERNAME), ("password", PASSWORD)]);
        refused_from_elsewhere(&mut browser, "/login", &login).await;
        assert!(!browser.cookies.contains_key(SESSION));
        assert!(!app.events().await.contains(&"login.succeeded"));
    }

    async fn c139_a_consent_posted_from_another_site_grants_nothing(app: TestApp) {
        let (mut browser, page) = login_page(&app, &[]).await;
        let answer = browser.log_in(&page, USERNAME, PASSWORD).await;
        let answer = browser.get(answer.location()).await;
        let page = browser.get(answer.location()).await.body;
        let fields = hidden_fields(&page);
        let approval = with(&fields, &[("decision", "approve")]);
        refused_from_elsewhere(&mut browser, "/consent", &approval).await;
        assert_nothing_granted(&app, &app.user, "web").await;
        // The same from our own page is an approval.
        let answer = browser.post("/consent", &approval).await;
        assert!(browser.finish(answer).await.location_param("code").is_some());
        assert!(app.events().await.contains(&"consent.granted"));
    }

    async fn c139_a_logout_confirmed_from_another_site_ends_nothing(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let page = browser.get("/oauth2/logout").await.body;
        let fields = hidden_fields(&page);
        refused_from_elsewhere(&mut browser, "/oauth2/logout/confirm", &with(&fields, &[])).await;
        assert!(browser.authorize("web", &[("prompt", "none")]).await.location_param("code").is_some());
        assert!(!app.events().await.contains(&"session.ended"));
    }

    async fn c032_c037_two_dozen_flows_in_one_browser_all_finish(app: TestApp) {
        let mut browser = Browser::new(&app);
        let mut begun = Vec::new();
        for n in 0..24 {
            begun.push(browser.authorize("web", &[("state", &format!("tab {n}"))]).await);
        }
        for (n, answer) in begun.into_iter().enumerate().rev() {
            let answer = browser.finish(answer).await;
            assert!(answer.location_param("code").is_some(), "{n}: {answer:?}");
            assert_eq!(answer.location_param("state"), Some(format!("tab {n}")));
        }
        assert!(!browser.cookies.keys().any(|name| name.contains("-flow-")), "all are cleared away");
    }

    async fn c032_a_login_that_another_browser_began_cannot_be_finished(app: TestApp) {
        let (_, page) = login_page(&app, &[]).await;
        let mut victim = Browser::new(&app);
        let fields = hidden_fields(&page);
        let answer = victim.post("/login", &with(&fields, &[("username", USERNAME), ("password", PASSWORD)])).await;
        answer.assert_page(403);
        let id = &fields.iter().find(|(name, _)| name == "interaction").unwrap().1;
        victim.get(&format!("/login?interaction={id}")).await.assert_page(403);
        victim.get(&format!("/oauth2/authorize/resume?interaction={id}")).await.assert_page(403);
    }

    async fn c037_consent_to_anothers_request_grants_nothing(app: TestApp) {
        let victims_account = app.add_user("bob").await;
        let mut attacker = Browser::new(&app);
        attacker.code("web", &[]).await;
        let location = attacker.authorize("web", &[("prompt", "consent")]).await.location().to_owned();
        let page = attacker.get(&location).await.body;
        let mut victim = Browser::new(&app);
        victim.code_as("bob", "other").await;
        let fields = hidden_fields(&page);
        let answer = victim.post("/consent", &with(&fields, &[("decision", "approve")])).await;
        answer.assert_page(403);
        assert!(!victim.cookies.values().any(|value| answer.body.contains(value)));
        assert_nothing_granted(&app, &victims_account, "web").await;
        victim.authorize("web", &[("prompt", "none")]).await.assert_redirected_error("consent_required");
        // Nor does the attacker get anything of the victim's: the request is still the attacker's own.
        let answer = attacker.get(&location).await;
        let answer = attacker.finish(answer).await;
        let tokens = app.redeem("web", &answer.location_param("code").unwrap()).await.json();
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["sub"], app.user.as_str());
    }

    async fn c038_every_redirect_after_a_form_is_a_303(app: TestApp) {
        let (mut browser, page) = login_page(&app, &[]).await;
        let answer = browser.log_in(&page, USERNAME, PASSWORD).await;
        assert!(answer.location().starts_with("/oauth2/authorize/resume?interaction="));
        let answer = browser.get(answer.location()).await;
        let page = browser.get(answer.location()).await.body;
        let fields = hidden_fields(&page);
        let answer = browser.post("/consent", &with(&fields, &[("decision", "approve")])).await;
        assert!(browser.finish(answer.clone()).await.location_param("code").is_some());
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let answer = browser.authorize("web", &[("prompt", "consent")]).await;
        let page = browser.get(answer.location()).await.body;
        let fields = hidden_fields(&page);
        let answer = browser.post("/consent", &with(&fields, &[("decision", "cancel")])).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let body = authorize_uri("web", &[]).split_once('?').unwrap().1.to_owned();
        let request = Request::post("/oauth2/authorize").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = browser.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let page = browser.get("/oauth2/logout").await.body;
        let fields = hidden_fields(&page);
        let answer = browser.post("/oauth2/logout/confirm", &with(&fields, &[])).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }

    async fn c141_refusals_look_the_same_whatever_was_wrong(app: TestApp) {
        let mut bodies = Vec::new();
        for (username, password) in [(USERNAME, "wrong"), ("nobody", "wrong"), ("ALICE", "wrong")] {
            let (mut browser, page) = login_page(&app, &[]).await;
            let answer = browser.log_in(&page, username, password).await.without_nonce();
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            let fields = hidden_fields(&answer.body);
            let body = fields.iter().fold(answer.body, |body, (_, value)| body.replace(value, ""));
            bodies.push(body.replace(&format!("value=\"{username}\""), "value=\"\""));
        }
        app.change_user(|user| user.deactivate(start())).await;
        let (mut browser, page) = login_page(&app, &[]).await;
        let answer = browser.log_in(&page, USERNAME, PASSWORD).await.without_nonce();
        let fields = hidden_fields(&answer.body);
        let body = fields.iter().fold(answer.body, |body, (_, value)| body.replace(value, ""));
        bodies.push(body.replace(&format!("value=\"{USERNAME}\""), "value=\"\""));
        assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:#?}");
        assert!(!app.events().await.contains(&"login.succeeded"));
    }

    async fn c144_case_and_unicode_forms_share_one_bucket(app: TestApp) {
        let spellings = ["alice", "ALICE", "Alice", "ａｌｉｃｅ", " alice "];
        for attempt in 0..10 {
            let (mut browser, page) = login_page(&app, &[]).await;
            let answer = browser.log_in(&page, spellings[attempt % spellings.len()], "wrong").await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{attempt}");
        }
        let (mut browser, page) = login_page(&app, &[]).await;
        let answer = browser.log_in(&page, "aLiCe", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "even the right password");
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        let minutes = seconds.div_ceil(60);
        let text = if minutes == 1 { "wait a minute".to_owned() } else { format!("wait {minutes} minutes") };
        assert!(answer.body.contains(&text), "{text}: {}", answer.body);
        assert!(app.events().await.contains(&"login.throttled"));
    }

    async fn c145_the_browser_of_an_earlier_login_is_not_locked_out(app: TestApp) {
        let mut known = Browser::new(&app);
        known.code("web", &[]).await;
        let device = known.cookies["__Host-countersign-device"].clone();
        for _ in 0..10 {
            let (mut attacker, page) = login_page(&app, &[]).await;
            attacker.log_in(&page, USERNAME, "wrong").await;
        }
        // The session is over, the device is still known; another account's device is not.
        for (cookie, status) in [(device.as_str(), StatusCode::SEE_OTHER), ("x", StatusCode::TOO_MANY_REQUESTS)] {
            let (mut browser, page) = login_page(&app, &[]).await;
            browser.cookies.insert("__Host-countersign-device".into(), cookie.into());
            assert_eq!(browser.log_in(&page, USERNAME, PASSWORD).await.status, status);
        }
    }

    async fn c148_a_huge_password_is_refused_before_any_hashing(app: TestApp) {
        for length in [1025, 4096] {
            let (mut browser, page) = login_page(&app, &[]).await;
            let answer = browser.log_in(&page, USERNAME, &"x".repeat(length)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{length}");
        }
        assert!(!app.events().await.contains(&"login.failed"));
    }

    async fn c150_look_alikes_are_one_account_or_none(app: TestApp) {
        let (mut browser, page) = login_page(&app, &[]).await;
        let wide = browser.log_in(&page, "ＡＬＩＣＥ", PASSWORD).await;
        assert_eq!(wide.status, StatusCode::SEE_OTHER);
        for name in ["ali\u{200b}ce", "alice\u{ad}", "\u{430}lice", "al\u{131}ce"] {
            let (mut browser, page) = login_page(&app, &[]).await;
            assert_eq!(browser.log_in(&page, name, PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
        }
        let other = countersign::domain::id::UserId::new(uuid::Uuid::new_v4().to_string());
        let mut twin = user(&other);
        twin.email = None;
        assert!(app.begin().await.add_user(&twin).await.is_err(), "the canonical name is taken");
    }

    async fn c153_an_interaction_is_no_address_to_go_to(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        for target in ["//evil.test", "/\\evil.test", "https://evil.test", "..%2f..", "%0d%0aLocation:%20https://evil.test"] {
            for uri in ["/login", "/consent", "/oauth2/authorize/resume"] {
                let answer = browser.get(&format!("{uri}?interaction={target}&return_to={target}")).await;
                assert!(answer.status.is_client_error(), "{uri} {target}: {}", answer.status);
                assert!(!answer.headers.contains_key(header::LOCATION));
            }
        }
    }

    async fn c155_hostile_text_is_inert_on_every_page(app: TestApp) {
        let script = "\"><script>alert(1)</script>";
        let (mut browser, page) = login_page(&app, &[("login_hint", script), ("ui_locales", script), ("state", script)]).await;
        assert!(!page.contains("<script>alert"), "{page}");
        let refused = browser.log_in(&page, script, "wrong").await;
        assert!(!refused.body.contains("<script>alert"), "{}", refused.body);
        app.change_client("web", |client| {
            client.name = script.into();
            client.consent = ConsentPolicy::Always;
            client.links.policy = Some("javascript:alert(1)".into());
        }).await;
        let answer = browser.log_in(&page, USERNAME, PASSWORD).await;
        let answer = browser.get(answer.location()).await;
        let consent = browser.get(answer.location()).await;
        assert!(consent.body.contains("id=\"approve\""));
        assert!(!consent.body.contains("<script>alert") && !consent.body.contains("javascript:"), "{}", consent.body);
    }

    async fn c165_pages_are_neither_stored_nor_framed_and_run_no_foreign_script(app: TestApp) {
        let (mut browser, _) = login_page(&app, &[]).await;
        let location = browser.authorize("web", &[]).await.location().to_owned();
        let page = browser.get(&location).await;
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-frame-options"), "DENY");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    async fn declining_consent_is_access_denied_and_nothing_is_remembered(app: TestApp) {
        let (mut browser, page) = login_page(&app, &[]).await;
        let answer = browser.log_in(&page, USERNAME, PASSWORD).await;
        let answer = browser.get(answer.location()).await;
        let consent = browser.get(answer.location()).await.body;
        let fields = hidden_fields(&consent);
        let answer = browser.post("/consent", &with(&fields, &[("decision", "cancel")])).await;
        answer.assert_redirected_error("access_denied");
        assert_eq!(answer.location_param("state").as_deref(), Some("the-state"));
        browser.authorize("web", &[("prompt", "none")]).await.assert_redirected_error("consent_required");
        browser.post("/consent", &with(&fields, &[("decision", "approve")])).await.assert_page(403);
        assert!(app.events().await.contains(&"consent.denied"));
    }

    async fn consent_is_remembered_per_client_and_scope(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[("scope", "openid email")]).await;
        let narrower = browser.authorize("web", &[("scope", "openid"), ("prompt", "none")]).await;
        assert!(narrower.location_param("code").is_some());
        browser.authorize("web", &[("scope", "openid phone"), ("prompt", "none")]).await.assert_redirected_error("consent_required");
        browser.authorize("other", &[("prompt", "none")]).await.assert_redirected_error("consent_required");
    }

    async fn a_browser_session_ends_by_idleness_and_by_age(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        app.clock.advance(Duration::from_hours(7));
        assert!(browser.authorize("web", &[("prompt", "none")]).await.location_param("code").is_some());
        app.clock.advance(Duration::from_hours(4));
        assert!(browser.authorize("web", &[("prompt", "none")]).await.location_param("code").is_some());
        app.clock.advance(Duration::from_hours(1));
        browser.authorize("web", &[("prompt", "none")]).await.assert_redirected_error("login_required");
        let mut idle = Browser::new(&app);
        idle.code("web", &[]).await;
        app.clock.advance(Duration::from_hours(8));
        idle.authorize("web", &[("prompt", "none")]).await.assert_redirected_error("login_required");
    }

    async fn a_remembered_session_lasts_thirty_days(app: TestApp) {
        let (mut browser, page) = login_page(&app, &[]).await;
        let fields = hidden_fields(&page);
        let fields = with(&fields, &[("username", USERNAME), ("password", PASSWORD), ("remember", "on")]);
        let answer = browser.post("/login", &fields).await;
        let cookie = answer.headers.get_all(header::SET_COOKIE).iter().find(|c| c.to_str().unwrap().starts_with("__Host-countersign=")).unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.contains("Max-Age=25") && cookie.contains("Secure") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        browser.finish(answer).await;
        app.clock.advance(Duration::from_hours(29 * 24));
        assert!(browser.authorize("web", &[("prompt", "none")]).await.location_param("code").is_some());
        app.clock.advance(Duration::from_hours(24));
        browser.authorize("web", &[("prompt", "none")]).await.assert_redirected_error("login_required");
    }

    async fn parallel_tabs_finish_independently(app: TestApp) {
        let mut browser = Browser::new(&app);
        let first = browser.authorize("web", &[("state", "first")]).await;
        let second = browser.authorize("web", &[("state", "second")]).await;
        let second = browser.finish(second).await;
        let first = browser.finish(first).await;
        assert_eq!(first.location_param("state").as_deref(), Some("first"));
        assert_eq!(second.location_param("state").as_deref(), Some("second"));
        assert_ne!(first.location_param("code"), second.location_param("code"));
    }

    async fn an_interaction_expires(app: TestApp) {
        let (mut browser, page) = login_page(&app, &[]).await;
        app.clock.advance(Duration::from_mins(30));
        browser.log_in(&page, USERNAME, PASSWORD).await.assert_page(400);
    }

    async fn a_cross_site_form_post_keeps_the_login(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let uri = authorize_uri("web", &[("prompt", "none")]);
        let body = uri.split_once('?').unwrap().1.to_owned();
        let request = Request::post("/oauth2/authorize")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, "https://rp.example")
            .body(Body::from(body))
            .unwrap();
        // A browser sends no Lax cookies along, and follows with a GET that has them.
        let answer = app.send(request).await;
        assert!(answer.location().starts_with("/oauth2/authorize?"));
        let answer = browser.get(answer.location()).await;
        assert!(answer.location().starts_with(CALLBACK) && answer.location_param("code").is_some());
        assert_eq!(answer.location_param("iss").as_deref(), Some(ISSUER));
    }
}
