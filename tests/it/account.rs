//! The account pages.

use std::time::Duration;

use axum::{
    body::Body,
    http::{StatusCode, header},
};
use countersign::{
    application::{
        handlers::handle_due,
        mail::Message,
        ports::{OutboxFilter, Page},
    },
    domain::{event::OutboxKind, id::ClientId},
};

use super::support::app::{
    Answer, Browser, ISSUER, PASSWORD, TestApp, USERNAME, encode, form, hidden_fields, on_both,
};

const NEW: &str = "seven quiet lanterns";

/// Signs in on the way to `path`, as the page asks.
async fn sign_in(browser: &mut Browser<'_>, path: &str) -> Answer {
    let login = browser.get(path).await.location().to_owned();
    assert!(login.starts_with("/login?return_to=/account"), "{login}");
    let page = browser.get(&login).await;
    post_login(browser, &login, &page, PASSWORD).await
}

async fn post_login(browser: &mut Browser<'_>, uri: &str, page: &Answer, password: &str) -> Answer {
    let fields = hidden_fields(&page.body);
    let mut fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    fields.extend([("username", USERNAME), ("password", password)]);
    browser.post(uri, &fields).await
}

/// The account page of somebody who is signed in.
async fn account(browser: &mut Browser<'_>) -> Answer {
    let page = browser.get("/account").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    page
}

fn csrf(page: &Answer) -> String {
    let fields = hidden_fields(&page.body);
    let (_, token) = fields.into_iter().find(|(name, _)| name == "csrf").unwrap();
    token
}

async fn change(browser: &mut Browser<'_>, current: &str, new: &str) -> Answer {
    let csrf = csrf(&account(browser).await);
    let fields = [
        ("csrf", csrf.as_str()),
        ("current", current),
        ("password", new),
        ("again", new),
    ];
    browser.post("/account/password", &fields).await
}

async fn templates(app: &TestApp) -> Vec<&'static str> {
    while handle_due(app.ports()).await.unwrap() > 0 {}
    let page = Page {
        after: None,
        limit: 100,
    };
    let reader = app.ports().store.reader();
    let rows = reader.outbox(OutboxFilter::All, &page).await.unwrap();
    let open = |message| app.ports().post.open(message).unwrap();
    // Notices of new browsers are not what is asked for here. Within a second mails have no order.
    let mut templates: Vec<_> = rows
        .iter()
        .filter(|row| row.message.kind == OutboxKind::Mail)
        .map(|row| open(&row.message).message.template())
        .filter(|template| *template != "new_device")
        .collect();
    templates.sort_unstable();
    templates
}

/// To whom the latest confirmation goes, and the path of its link.
async fn confirmation(app: &TestApp) -> (String, String) {
    let page = Page {
        after: None,
        limit: 100,
    };
    let reader = app.ports().store.reader();
    let rows = reader.outbox(OutboxFilter::All, &page).await.unwrap();
    let mails = rows.iter().rev();
    let mails = mails.filter(|row| row.message.kind == OutboxKind::Mail);
    let mut mails = mails.map(|row| app.ports().post.open(&row.message).unwrap());
    let confirmation = mails.find_map(|mail| {
        let Message::ConfirmNewEmail(once) = mail.message else {
            return None;
        };
        Some((mail.to.to_string(), once))
    });
    let (to, once) = confirmation.expect("a confirmation");
    let url = once.link.under(&app.ports().settings.issuer);
    let path = url.strip_prefix(ISSUER).unwrap().to_owned();
    (to, path)
}

on_both! {
    async fn the_profile_is_changed_and_userinfo_says_so(app: TestApp) {
        let tokens = app.tokens("web", "openid profile phone address").await;
        let access = tokens["access_token"].as_str().unwrap();
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account/profile").await;
        let page = browser.get("/account/profile").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert!(page.body.contains("value=\"Europe/Berlin\""), "{}", page.body);
        let token = csrf(&page);
        let fields = [
            ("csrf", token.as_str()),
            ("given_name", "Zoë"),
            ("family_name", "Müller"),
            ("birthdate", "1988-02-29"),
            ("phone_number", "+41 44 668 18 00"),
            ("locale", "de_CH"),
            ("locality", "Zürich"),
        ];
        app.clock.advance(Duration::from_secs(5));
        let answer = browser.post("/account/profile", &fields).await;
        assert_eq!(answer.location(), "/account?done=profile");
        let told = browser.get(answer.location()).await.body;
        assert!(told.contains("Your profile is changed"), "{told}");
        let claims = app.get_with("/oauth2/userinfo", access).await.json();
        for (claim, value) in [
            ("given_name", "Zoë"),
            ("name", "Zoë Müller"),
            ("birthdate", "1988-02-29"),
            ("phone_number", "+41446681800"),
            ("locale", "de-CH"),
        ] {
            assert_eq!(claims[claim], value, "{claims}");
        }
        assert_eq!(claims["phone_number_verified"], false);
        assert_eq!(claims["address"]["locality"], "Zürich");
        assert!(claims.get("zoneinfo").is_none(), "{claims}");
        assert_eq!(claims["updated_at"], app.ports().clock.now().0);
        // The trail says what was before and after. The same again changes nothing.
        let events = app.events().await;
        assert_eq!(events.iter().filter(|kind| **kind == "user.changed").count(), 1);
        assert_eq!(browser.post("/account/profile", &fields).await.location(), "/account");
        assert_eq!(app.events().await.len(), events.len());
    }

    async fn c155_what_does_not_fit_the_profile_is_marked_kept_on_the_page_and_inert(app: TestApp) {
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account").await;
        let token = csrf(&browser.get("/account/profile").await);
        let script = "\"><script>alert(1)</script>";
        let fields = [
            ("csrf", token.as_str()),
            ("given_name", script),
            ("website", "javascript:alert(1)"),
            ("phone_number", "044 668 18 00"),
        ];
        let answer = browser.post("/account/profile", &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!answer.body.contains("<script"), "{}", answer.body);
        assert_eq!(answer.body.matches("aria-invalid=\"true\"").count(), 2);
        for kept in ["javascript:alert(1)", "044 668 18 00", "like +41 44 668 18 00"] {
            assert!(answer.body.contains(kept), "{kept}");
        }
        let user = app.ports().store.reader().user(&app.user).await.unwrap().unwrap();
        assert_ne!(user.profile.first_name.as_deref(), Some(script));
        // Without the page's token nothing is changed either.
        let forged = [("csrf", "x"), ("given_name", "Mallory")];
        let answer = browser.post("/account/profile", &forged).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }

    async fn the_account_page_asks_who_it_is_and_comes_back(app: TestApp) {
        let mut browser = Browser::new(&app);
        let answer = sign_in(&mut browser, "/account").await;
        assert_eq!(answer.location(), "/account");
        let page = account(&mut browser).await;
        for text in ["Alice M. Example", "alice@id.example", "Europe/Berlin"] {
            assert!(page.body.contains(text), "{text}");
        }
        assert_eq!(page.header("cache-control"), "no-store");
        // Who is signed in need not sign in again.
        assert_eq!(browser.get("/login?return_to=/account").await.location(), "/account");
        // The session is that of applications too.
        let answer = browser.authorize("web", &[]).await;
        assert!(!browser.finish(answer).await.body.contains("id=\"password\""));
    }

    async fn c153_after_a_login_the_way_leads_to_our_own_pages_only(app: TestApp) {
        for foreign in ["//evil.example", "/%5Cevil.example", "https://evil.example", "%2F%2Fevil.example"] {
            let mut browser = Browser::new(&app);
            let uri = format!("/login?return_to={foreign}");
            let page = browser.get(&uri).await;
            assert!(!page.body.contains("evil"), "{}", page.body);
            let answer = post_login(&mut browser, &uri, &page, PASSWORD).await;
            assert_eq!(answer.location(), "/account", "{foreign}");
        }
    }

    async fn c138_a_login_of_our_own_and_a_new_password_begin_new_session_identifiers(app: TestApp) {
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account").await;
        let before = browser.cookies["__Host-countersign"].clone();
        change(&mut browser, PASSWORD, NEW).await;
        assert_ne!(browser.cookies["__Host-countersign"], before);
        browser.cookies.insert("__Host-countersign".to_owned(), before);
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
    }

    async fn c160_a_password_changes_only_with_the_current_one_and_ends_all_other_sessions(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let (mut browser, mut other) = (Browser::new(&app), Browser::new(&app));
        sign_in(&mut browser, "/account").await;
        sign_in(&mut other, "/account").await;
        for current in ["", "not the password", NEW] {
            let answer = change(&mut browser, current, NEW).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.body.contains("The current password is not right"), "{}", answer.body);
        }
        account(&mut other).await;
        let answer = change(&mut browser, PASSWORD, NEW).await;
        assert_eq!(answer.location(), "/account?done=password");
        let page = browser.get("/account?done=password").await;
        assert!(page.body.contains("id=\"account-done\""), "{}", page.body);
        assert_eq!(other.get("/account").await.status, StatusCode::SEE_OTHER);
        let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        refreshed.assert_error(400, "invalid_grant");
        assert_eq!(templates(&app).await, ["password_changed"]);
        assert!(app.events().await.contains(&"password.changed"));
        // And the new one is the current one now.
        let answer = change(&mut browser, PASSWORD, "another quiet lantern").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn a_new_password_is_screened(app: TestApp) {
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account").await;
        for (new, problem) in [("short", "at least 8"), ("PassWord", "most common"), ("alice@id.example", "made of your name")] {
            let answer = change(&mut browser, PASSWORD, new).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.body.contains(problem), "{}", answer.body);
        }
        assert!(!app.events().await.contains(&"password.changed"));
    }

    async fn c143_guesses_of_the_current_password_count_like_those_of_the_login_page(app: TestApp) {
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account").await;
        for _ in 0..10 {
            change(&mut browser, "not the password", NEW).await;
        }
        let answer = change(&mut browser, PASSWORD, NEW).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    }

    async fn c139_forms_of_the_account_come_from_its_page(app: TestApp) {
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account").await;
        let own = csrf(&account(&mut browser).await);
        let mut other = Browser::new(&app);
        sign_in(&mut other, "/account").await;
        let foreign = csrf(&account(&mut other).await);
        for uri in ["/account/password", "/account/withdraw", "/account/end-sessions"] {
            for token in ["", "made-up", foreign.as_str()] {
                let fields = [("csrf", token), ("current", PASSWORD), ("password", NEW), ("again", NEW)];
                assert_eq!(browser.post(uri, &fields).await.status, StatusCode::FORBIDDEN, "{uri}");
            }
            let fields = [("csrf", own.as_str()), ("current", PASSWORD), ("password", NEW), ("again", NEW)];
            let request = form(uri, &fields).header(header::ORIGIN, "https://evil.example");
            let request = request.body(Body::from(encode(&fields))).unwrap();
            assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN, "{uri}");
            assert_eq!(browser.get(uri).await.status, StatusCode::METHOD_NOT_ALLOWED);
        }
        account(&mut browser).await;
        assert!(!app.events().await.contains(&"password.changed"));
    }

    async fn an_application_s_access_is_shown_and_can_be_withdrawn(app: TestApp) {
        let tokens = app.tokens("web", "openid email offline_access").await;
        app.clock.advance(Duration::from_secs(1));
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account").await;
        let page = account(&mut browser).await;
        assert!(page.body.contains("The web client") && page.body.contains("See your email address"), "{}", page.body);
        let csrf = csrf(&page);
        let answer = browser.post("/account/withdraw", &[("csrf", &csrf), ("client_id", "web")]).await;
        assert_eq!(answer.location(), "/account?done=withdrawn");
        let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        refreshed.assert_error(400, "invalid_grant");
        assert!(!account(&mut browser).await.body.contains("The web client"));
        let consent = app.ports().store.reader().consent(&app.user, &ClientId::new("web")).await;
        assert_eq!(consent.unwrap(), None);
        // What is not there cannot be withdrawn, and is no error.
        let again = browser.post("/account/withdraw", &[("csrf", &csrf), ("client_id", "web")]).await;
        assert_eq!(again.location(), "/account");
    }

    async fn signing_out_everywhere_ends_this_browser_too(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let (mut browser, mut other) = (Browser::new(&app), Browser::new(&app));
        sign_in(&mut browser, "/account").await;
        sign_in(&mut other, "/account").await;
        let csrf = csrf(&account(&mut browser).await);
        let answer = browser.post("/account/end-sessions", &[("csrf", &csrf)]).await;
        assert_eq!(answer.location(), "/logged-out");
        for browser in [&mut browser, &mut other] {
            assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
        }
        let userinfo = app.get_with("/oauth2/userinfo", tokens["access_token"].as_str().unwrap()).await;
        userinfo.assert_error(401, "invalid_token");
    }

    async fn the_data_of_an_account_are_downloaded_without_secrets(app: TestApp) {
        app.tokens("web", "openid email").await;
        let mut browser = Browser::new(&app);
        assert_eq!(browser.get("/account/data").await.status, StatusCode::SEE_OTHER);
        sign_in(&mut browser, "/account").await;
        let answer = browser.get("/account/data").await;
        assert!(answer.header("content-disposition").starts_with("attachment"));
        assert_eq!(answer.header("cache-control"), "no-store");
        let data = answer.json();
        assert_eq!(data["email"], "alice@id.example");
        assert_eq!(data["profile"]["birthdate"], "1990-10-31");
        assert_eq!(data["applications"][0]["client_id"], "web");
        for secret in ["argon2", "security_version", "login_epoch"] {
            assert!(!answer.body.contains(secret), "{secret}");
        }
    }

    async fn a_new_address_takes_its_place_once_it_is_proved_and_the_old_one_is_told(app: TestApp) {
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account").await;
        let csrf = csrf(&account(&mut browser).await);
        let wrong = [("csrf", csrf.as_str()), ("email", "new@id.example"), ("current", "not the password")];
        assert_eq!(browser.post("/account/email", &wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [("csrf", csrf.as_str()), ("email", "New@id.example"), ("current", PASSWORD)];
        let asked = browser.post("/account/email", &fields).await;
        assert!(asked.body.contains("id=\"confirm-email\""), "{}", asked.body);
        app.app.idle().await;
        assert!(account(&mut browser).await.body.contains("alice@id.example"));
        let (to, once) = confirmation(&app).await;
        assert_eq!(to, "new@id.example");
        // The link is for nothing else, and following it changes nothing.
        let token = once.split_once("token=").unwrap().1;
        let reset = [("token", token), ("password", NEW), ("again", NEW)];
        assert_eq!(browser.post("/reset", &reset).await.status, StatusCode::GONE);
        let mut phone = Browser::new(&app);
        assert_eq!(phone.get(&once).await.status, StatusCode::OK);
        assert!(account(&mut browser).await.body.contains("alice@id.example"));
        let done = phone.post("/account/email/confirm", &[("token", token)]).await;
        assert!(done.body.contains("id=\"email-changed\""), "{}", done.body);
        assert!(account(&mut browser).await.body.contains("new@id.example"));
        assert_eq!(phone.post("/account/email/confirm", &[("token", token)]).await.status, StatusCode::GONE);
        assert_eq!(templates(&app).await, ["confirm_new_email", "email_changed"]);
        assert!(app.events().await.contains(&"email.changed"));
    }

    async fn c141_who_asks_for_an_address_that_somebody_has_learns_nothing(app: TestApp) {
        let other = app.add_user("bob").await;
        let work = app.begin().await;
        let mut bob = work.user(&other).await.unwrap().unwrap();
        bob.email = Some(countersign::domain::user::Email::parse("bob@id.example").unwrap());
        work.update_user(&bob).await.unwrap();
        work.commit().await.unwrap();
        let mut browser = Browser::new(&app);
        sign_in(&mut browser, "/account").await;
        let csrf = csrf(&account(&mut browser).await);
        let mut pages = Vec::new();
        for email in ["bob@id.example", "free@id.example"] {
            let fields = [("csrf", csrf.as_str()), ("email", email), ("current", PASSWORD)];
            let page = browser.post("/account/email", &fields).await;
            app.app.idle().await;
            let (_, id) = hidden_fields(&page.body).remove(0);
            pages.push((page.status, page.body.replace(&id, "")));
        }
        assert_eq!(pages[0], pages[1]);
        assert_eq!(templates(&app).await, ["confirm_new_email"]);
    }
}
