//! Accounts that people make for themselves.

use axum::http::StatusCode;
use countersign::{
    application::{
        mail::{Message, OneTime},
        ports::{OutboxFilter, Page},
        settings::Registration,
    },
    domain::{event::OutboxKind, user::canonical_login_name},
};

use super::support::app::{Answer, Browser, ISSUER, Stage, TestApp, hidden_fields};

const CHOSEN: &str = "seven quiet lanterns";

async fn open(stage: Stage) -> TestApp {
    let domains = Registration::Domains(vec!["id.example".to_owned()]);
    TestApp::start_with(stage, |settings| settings.registration = domains).await
}

async fn mails(app: &TestApp) -> Vec<Message> {
    let page = Page {
        after: None,
        limit: 100,
    };
    let reader = app.ports().store.reader();
    let rows = reader.outbox(OutboxFilter::All, &page).await.unwrap();
    let open = |message| app.ports().post.open(message).unwrap();
    rows.iter()
        .filter(|row| row.message.kind == OutboxKind::Mail)
        .map(|row| open(&row.message).message)
        .collect()
}

async fn verification(app: &TestApp) -> OneTime {
    match mails(app).await.pop() {
        Some(Message::VerifyEmail(once)) => once,
        other => panic!("{other:?}"),
    }
}

fn token(once: &OneTime, app: &TestApp) -> String {
    let url = once.link.under(&app.ports().settings.issuer);
    let start = format!("{ISSUER}/register/finish?token=");
    url.strip_prefix(&start).unwrap().to_owned()
}

async fn ask(app: &TestApp, browser: &mut Browser<'_>, email: &str) -> Answer {
    let page = browser.post("/register", &[("name", email)]).await;
    app.app.idle().await;
    page
}

async fn finish(browser: &mut Browser<'_>, key: (&str, &str), username: &str) -> Answer {
    let fields = [
        key,
        ("username", username),
        ("full_name", "Grace Hopper"),
        ("password", CHOSEN),
        ("again", CHOSEN),
    ];
    browser.post("/register/finish", &fields).await
}

async fn is_offered_only_where_it_is_switched_on(stage: Stage) {
    let app = TestApp::start(stage).await;
    let mut browser = Browser::new(&app);
    browser.get("/register").await.assert_page(404);
    browser
        .post("/register", &[("name", "grace@id.example")])
        .await
        .assert_page(404);
    app.app.idle().await;
    assert!(mails(&app).await.is_empty());
}

async fn who_registers_on_the_way_to_an_application_ends_there(stage: Stage) {
    let app = open(stage).await;
    let mut browser = Browser::new(&app);
    let location = browser.authorize("web", &[]).await.location().to_owned();
    let page = browser.get(&location).await;
    let (_, rest) = page
        .body
        .split_once("id=\"create-account\" href=\"")
        .unwrap();
    let register = rest
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    let page = browser.get(&register).await;
    let mut fields = hidden_fields(&page.body);
    fields.push(("name".to_owned(), "Grace@id.example".to_owned()));
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    browser.post("/register", &fields).await;
    app.app.idle().await;
    // Until the address is proved there is no account.
    let reader = app.ports().store.reader();
    assert!(
        reader
            .user_by_login("grace@id.example")
            .await
            .unwrap()
            .is_none()
    );
    let token = token(&verification(&app).await, &app);
    let refused = finish(&mut browser, ("token", &token), "Alice").await;
    assert!(
        refused.body.contains("Somebody has this username"),
        "{}",
        refused.body
    );
    let done = finish(&mut browser, ("token", &token), "Grace").await;
    let (_, rest) = done.body.split_once("id=\"continue\" href=\"").unwrap();
    let on = rest
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    let login = browser.get(&on).await.location().to_owned();
    let page = browser.get(&login).await;
    let answer = browser.log_in(&page.body, "grace@id.example", CHOSEN).await;
    let answer = browser.finish(answer).await;
    assert!(answer.location_param("code").is_some(), "{answer:?}");
    let name = canonical_login_name("grace").unwrap();
    let (user, _) = reader.user_by_login(&name).await.unwrap().unwrap();
    assert!(user.email_verified && user.full_name().as_deref() == Some("Grace Hopper"));
    assert_eq!(
        finish(&mut browser, ("token", &token), "grace2")
            .await
            .status,
        StatusCode::GONE
    );
}

async fn c141_who_registers_learns_nothing_of_other_accounts(stage: Stage) {
    let app = open(stage).await;
    let mut browser = Browser::new(&app);
    let mut pages = Vec::new();
    for email in ["alice@id.example", "grace@id.example"] {
        let page = ask(&app, &mut browser, email).await.without_nonce();
        let (_, id) = hidden_fields(&page.body).remove(0);
        pages.push((page.status, page.body.replace(&id, "")));
    }
    assert_eq!(pages[0], pages[1]);
    let mut sent: Vec<_> = mails(&app).await.iter().map(Message::template).collect();
    // Within a second they have no order.
    sent.sort_unstable();
    assert_eq!(sent, ["already_registered", "verify_email"]);
}

async fn accounts_are_made_for_allowed_domains_only(stage: Stage) {
    let app = open(stage).await;
    let mut browser = Browser::new(&app);
    for email in [
        "grace@evil.example",
        "grace@sub.id.example",
        "grace@id.example.evil.example",
        "grace",
        "",
    ] {
        let page = ask(&app, &mut browser, email).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{email}");
    }
    assert!(mails(&app).await.is_empty());
}

async fn c157_there_is_no_account_without_link_or_code(stage: Stage) {
    let app = open(stage).await;
    let mut browser = Browser::new(&app);
    let page = ask(&app, &mut browser, "grace@id.example").await;
    let (_, id) = hidden_fields(&page.body).remove(0);
    for key in [
        ("token", ""),
        ("token", id.as_str()),
        ("link", id.as_str()),
        ("token", "made-up"),
    ] {
        let answer = finish(&mut browser, key, "grace").await;
        assert!(answer.status.is_client_error(), "{key:?}");
    }
    // Nor does the link open anything else.
    let token = token(&verification(&app).await, &app);
    let fields = [
        ("token", token.as_str()),
        ("password", CHOSEN),
        ("again", CHOSEN),
    ];
    assert_eq!(
        browser.post("/reset", &fields).await.status,
        StatusCode::GONE
    );
    let found = app
        .ports()
        .store
        .reader()
        .user_by_login("grace")
        .await
        .unwrap();
    assert!(found.is_none());
}

/// Runs each on both stages.
macro_rules! on_both_stages {
    ($($name:ident)+) => {$(
        mod $name {
            use super::Stage;

            #[tokio::test]
            async fn on_sqlite_and_the_embedded_store() {
                super::$name(Stage::Embedded).await;
            }

            #[tokio::test]
            async fn on_postgres_and_redis() {
                super::$name(Stage::Servers).await;
            }
        }
    )+};
}

on_both_stages! {
    is_offered_only_where_it_is_switched_on
    who_registers_on_the_way_to_an_application_ends_there
    c141_who_registers_learns_nothing_of_other_accounts
    accounts_are_made_for_allowed_domains_only
    c157_there_is_no_account_without_link_or_code
}
