//! The ways through login and consent: two tabs, several accounts, errors that lead on.

use axum::http::StatusCode;
use countersign::domain::{
    client::ConsentPolicy,
    id::UserId,
    user::{Email, Username},
};

use super::support::app::{
    Answer, Browser, PASSWORD, TestApp, USERNAME, authorize_uri, claims, hidden_fields, on_both,
    user,
};

const ALICE: &str = "Alice M. Example";

/// Follows our own redirects, and stops at a page or at the client.
async fn follow(browser: &mut Browser<'_>, mut answer: Answer) -> Answer {
    while answer.status == StatusCode::SEE_OTHER && answer.location().starts_with('/') {
        let location = answer.location().to_owned();
        answer = browser.get(&location).await;
    }
    answer
}

/// The page that a request with `extra` leads to.
async fn page_of(browser: &mut Browser<'_>, extra: &[(&str, &str)]) -> Answer {
    let answer = browser.authorize("web", extra).await;
    follow(browser, answer).await
}

/// Posts the form of a page to where the page says, with more fields.
async fn submit(browser: &mut Browser<'_>, page: &str, more: &[(&str, &str)]) -> Answer {
    let hidden = hidden_fields(page);
    let fields = hidden.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let fields: Vec<_> = fields.chain(more.iter().copied()).collect();
    browser.post(&address(page, "action"), &fields).await
}

/// The first address of a page in this attribute; with an id, that element's.
fn address(page: &str, attribute: &str) -> String {
    let start = page.find(&format!(" {attribute}=\"/")).unwrap() + attribute.len() + 3;
    let end = start + page[start..].find('"').unwrap();
    page[start..end].replace("&#38;", "&")
}

fn link(page: &str, id: &str) -> String {
    let start = page
        .find(&format!("id=\"{id}\""))
        .unwrap_or_else(|| panic!("no {id}: {page}"));
    address(&page[start..], "href")
}

fn is_login(page: &Answer) -> bool {
    page.status == StatusCode::OK && page.body.contains("id=\"sign-in\"")
}

/// Another user, with the same password.
async fn add_bob(app: &TestApp) -> UserId {
    let id = UserId::new(uuid::Uuid::new_v4().to_string());
    let mut bob = user(&id);
    bob.username = Username::parse("bob").unwrap();
    bob.email = Some(Email::parse("bob@id.example").unwrap());
    bob.profile.full_name = Some("Bob <b>".into());
    let hash = app.ports().passwords.hash(PASSWORD).await.unwrap();
    let work = app.begin().await;
    work.add_user(&bob).await.unwrap();
    let now = app.ports().clock.now();
    work.set_password(&id, &hash, now).await.unwrap();
    work.commit().await.unwrap();
    id
}

async fn subject(app: &TestApp, code: &Answer) -> String {
    let code = code.location_param("code").unwrap();
    let tokens = app.redeem("web", &code).await.json();
    claims(tokens["id_token"].as_str().unwrap())["sub"]
        .as_str()
        .unwrap()
        .to_owned()
}

on_both! {
    async fn a_second_tab_goes_on_silently_once_the_first_signed_in(app: TestApp) {
        app.change_client("web", |client| client.consent = ConsentPolicy::Implied).await;
        let mut browser = Browser::new(&app);
        let first = browser.authorize("web", &[("state", "first")]).await;
        let second = browser.authorize("web", &[("state", "second")]).await.location().to_owned();
        assert!(is_login(&browser.get(&second).await));
        browser.finish(first).await;
        let answer = browser.get(&second).await;
        let answer = follow(&mut browser, answer).await;
        assert_eq!(answer.location_param("state").as_deref(), Some("second"));
        assert!(answer.location_param("code").is_some());
    }

    async fn a_second_tab_that_asks_for_proof_still_asks_and_names_the_user(app: TestApp) {
        add_bob(&app).await;
        for extra in [("prompt", "login"), ("max_age", "0")] {
            let mut browser = Browser::new(&app);
            let tab = browser.authorize("web", &[extra]).await.location().to_owned();
            let before = browser.get(&tab).await;
            assert!(is_login(&before) && !before.body.contains("Confirm it is you"));
            browser.code("web", &[]).await;
            let page = browser.get(&tab).await;
            assert!(is_login(&page), "{page:?}");
            assert!(page.body.contains("Confirm it is you") && page.body.contains(ALICE), "{}", page.body);
            assert!(page.body.contains("value=\"alice\""), "{}", page.body);
            let resumed = tab.replace("/login", "/oauth2/authorize/resume");
            let resumed = browser.get(&resumed).await;
            assert!(resumed.location().starts_with("/login?"), "nobody gets around the proof");
            let another = browser.get(&link(&page.body, "another-account")).await;
            assert!(is_login(&another) && another.body.contains(ALICE));
            assert!(!another.body.contains("Confirm it is you") && !another.body.contains("value=\"alice\""));
            let answer = submit(&mut browser, &another.body, &[("username", "bob"), ("password", PASSWORD)]).await;
            let page = follow(&mut browser, answer).await;
            assert!(page.body.contains("Bob &#60;b&#62;"), "{}", page.body);
        }
    }

    async fn a_login_hint_for_somebody_else_is_no_confirmation(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        for (hint, confirms) in [("ALICE", true), ("alice@id.example", true), ("bob", false), ("\u{200b}", false)] {
            let page = page_of(&mut browser, &[("prompt", "login"), ("login_hint", hint)]).await;
            assert_eq!(page.body.contains("Confirm it is you"), confirms, "{hint}");
        }
    }

    async fn select_account_offers_the_account_that_is_signed_in_and_another(app: TestApp) {
        let bob = add_bob(&app).await;
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let extra = [("prompt", "select_account")];
        let page = page_of(&mut browser, &extra).await;
        assert!(page.body.contains("id=\"choose\"") && page.body.contains(ALICE), "{}", page.body);
        let forged = submit(&mut browser, &page.body, &[("account", bob.as_str())]).await;
        let again = follow(&mut browser, forged).await;
        assert!(again.body.contains("id=\"choose\""), "another account than the one shown");
        let answer = submit(&mut browser, &page.body, &[("account", app.user.as_str())]).await;
        let answer = follow(&mut browser, answer).await;
        assert_eq!(subject(&app, &answer).await, app.user.as_str());
        let page = page_of(&mut browser, &extra).await;
        let another = browser.get(&link(&page.body, "another-account")).await;
        let answer = submit(&mut browser, &another.body, &[("username", "bob"), ("password", PASSWORD)]).await;
        let answer = browser.finish(answer).await;
        assert_eq!(subject(&app, &answer).await, bob.as_str());
    }

    async fn select_account_has_nothing_to_offer_where_nobody_is_signed_in(app: TestApp) {
        let mut browser = Browser::new(&app);
        let page = page_of(&mut browser, &[("prompt", "select_account")]).await;
        assert!(is_login(&page));
        let answer = browser.log_in(&page.body, USERNAME, PASSWORD).await;
        assert!(browser.finish(answer).await.location_param("code").is_some(), "who logs in has chosen");
    }

    async fn c139_a_choice_posted_from_another_site_does_nothing(app: TestApp) {
        let mut browser = Browser::new(&app);
        browser.code("web", &[]).await;
        let page = page_of(&mut browser, &[("prompt", "select_account")]).await;
        let fields = hidden_fields(&page.body);
        let id = fields.iter().find(|(name, _)| name == "interaction").unwrap().1.clone();
        let forged = [("interaction", id.as_str()), ("account", app.user.as_str())];
        browser.post("/choose-account", &forged).await.assert_page(403);
        let mut victim = Browser::new(&app);
        victim.code("web", &[]).await;
        let stolen = submit(&mut victim, &page.body, &[("account", app.user.as_str())]).await;
        stolen.assert_page(403);
    }

    async fn the_address_of_the_login_page_survives_a_wrong_password(app: TestApp) {
        let mut browser = Browser::new(&app);
        let page = page_of(&mut browser, &[]).await;
        let refused = submit(&mut browser, &page.body, &[("username", USERNAME), ("password", "wrong")]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let address = address(&refused.body, "action");
        assert!(address.starts_with("/login?interaction="), "{address}");
        let again = browser.get(&address).await;
        assert!(is_login(&again), "{again:?}");
        let answer = submit(&mut browser, &again.body, &[("username", USERNAME), ("password", PASSWORD)]).await;
        assert!(browser.finish(answer).await.location_param("code").is_some());
    }

    async fn a_browser_without_cookies_is_told_before_anybody_types(app: TestApp) {
        let location = app.get(&authorize_uri("web", &[])).await.location().to_owned();
        for uri in [location.clone(), location.replace("/login", "/consent"), location.replace("/login", "/choose-account")] {
            let page = app.get(&uri).await;
            page.assert_page(403);
            assert!(page.body.contains("data-cause=\"no_cookies\""), "{}", page.body);
            assert!(page.body.contains("The web client"), "the way back: {}", page.body);
        }
        let posted = app.post(&location, &[("interaction", "x"), ("username", USERNAME), ("password", PASSWORD)]).await;
        assert!(posted.body.contains("data-cause=\"no_cookies\""), "{}", posted.body);
        let mut other = Browser::new(&app);
        other.cookies.insert("something".into(), "else".into());
        let page = other.get(&location).await;
        assert!(page.body.contains("data-cause=\"foreign_interaction\""), "{}", page.body);
    }

    async fn an_error_page_leads_back_to_the_application_or_to_a_fresh_start(app: TestApp) {
        app.change_client("other", |client| client.links.client = Some("https://other.example/home".into())).await;
        let back = |page: &Answer, home: &str| {
            page.assert_page(400);
            let link = format!("id=\"application\" href=\"{home}\"");
            assert!(page.body.contains(&link), "{link}: {}", page.body);
        };
        let mut browser = Browser::new(&app);
        let uri = authorize_uri("web", &[("redirect_uri", "https://evil.example/")]);
        let page = browser.get(&uri).await;
        back(&page, "https://rp.example/");
        assert!(!page.body.contains("evil.example"));
        let uri = authorize_uri("other", &[("redirect_uri", "")]);
        back(&browser.get(&uri).await, "https://other.example/home");
        // An interaction that is over: its address still knows the application.
        let location = browser.authorize("web", &[]).await.location().to_owned();
        let page = browser.get(&location).await.body;
        let answer = browser.log_in(&page, USERNAME, PASSWORD).await;
        browser.finish(answer).await;
        back(&browser.get(&location).await, "https://rp.example/");
        for uri in [
            "/nothing-here",
            "/login",
            "/consent?interaction=x",
            "/oauth2/authorize/resume?interaction=x&client_id=https://evil.example",
            "/oauth2/authorize?client_id=nobody&response_type=code",
        ] {
            let page = browser.get(uri).await;
            assert!(page.body.contains("id=\"start\" href=\"/\""), "{uri}: {}", page.body);
            assert!(!page.body.contains("evil.example"), "{uri}: {}", page.body);
        }
    }

    async fn the_consent_page_says_who_is_asked_in_order_of_meaning_and_offers_another(app: TestApp) {
        let bob = add_bob(&app).await;
        let mut browser = Browser::new(&app);
        let extra = [("scope", "address email offline_access openid profile reports:read")];
        let page = page_of(&mut browser, &extra).await;
        let answer = browser.log_in(&page.body, USERNAME, PASSWORD).await;
        let page = follow(&mut browser, answer).await;
        assert!(page.body.contains(&format!("<bdi>{ALICE}</bdi>")), "{}", page.body);
        let titles = ["Know who you are", "See your profile", "See your email", "See your postal", "reports:read", "Keep access"];
        let places: Vec<_> = titles.iter().map(|title| page.body.find(title).unwrap()).collect();
        assert!(places.is_sorted(), "{places:?}");
        let another = browser.get(&link(&page.body, "another-account")).await;
        assert!(is_login(&another));
        let answer = submit(&mut browser, &another.body, &[("username", "bob"), ("password", PASSWORD)]).await;
        let consent = follow(&mut browser, answer).await;
        assert!(consent.body.contains("id=\"consent\"") && consent.body.contains("Bob &#60;b&#62;"), "{}", consent.body);
        let answer = browser.finish(consent).await;
        assert_eq!(subject(&app, &answer).await, bob.as_str());
    }
}
