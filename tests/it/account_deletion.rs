//! Accounts that their users have removed.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    application::{
        commands::{change_user::set_user_status, make_owner::make_owner},
        handlers::handle_due,
        mail::Message,
        ports::{OutboxFilter, Page},
        upkeep::sweep_once,
    },
    domain::{
        event::OutboxKind,
        id::UserId,
        user::{User, UserStatus},
    },
};

use super::support::app::{
    Answer, Browser, PASSWORD, TestApp, USERNAME, hidden_fields, on_both, random_offset,
};

const DAY: Duration = Duration::from_hours(24);

async fn log_in(browser: &mut Browser<'_>) -> Answer {
    let login = "/login?return_to=/account/delete";
    let page = browser.get(login).await;
    let mut fields = hidden_fields(&page.body);
    fields.extend([
        ("username".to_owned(), USERNAME.to_owned()),
        ("password".to_owned(), PASSWORD.to_owned()),
    ]);
    post(browser, login, &fields).await
}

async fn post(browser: &mut Browser<'_>, uri: &str, fields: &[(String, String)]) -> Answer {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    browser.post(uri, &fields).await
}

async fn ask(browser: &mut Browser<'_>, password: &str) -> Answer {
    let page = browser.get("/account/delete").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let mut fields = hidden_fields(&page.body);
    fields.push(("current".to_owned(), password.to_owned()));
    post(browser, "/account/delete", &fields).await
}

async fn user(app: &TestApp, id: &UserId) -> Option<User> {
    app.ports().store.reader().user(id).await.unwrap()
}

/// The mails about the account's end: their templates, in the order of their names.
async fn mails(app: &TestApp) -> Vec<&'static str> {
    while handle_due(app.ports()).await.unwrap() > 0 {}
    let page = Page {
        after: None,
        limit: 100,
    };
    let reader = app.ports().store.reader();
    let rows = reader.outbox(OutboxFilter::All, &page).await.unwrap();
    let mails = rows
        .iter()
        .filter(|row| row.message.kind == OutboxKind::Mail);
    let mut templates: Vec<_> = mails
        .map(|row| app.ports().post.open(&row.message).unwrap().message)
        .filter(|message| !matches!(message, Message::NewDevice { .. }))
        .map(|message| message.template())
        .collect();
    templates.sort_unstable();
    templates
}

on_both! {
    async fn a_deleted_account_is_locked_at_once_everywhere_and_removed_after_the_grace(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let node = app.second_worker().await;
        let mut browser = Browser::new(&app);
        assert_eq!(browser.get("/account/delete").await.location(), "/login?return_to=/account/delete");
        assert_eq!(log_in(&mut browser).await.location(), "/account/delete");
        let id = app.ports().store.reader().user_by_login(USERNAME).await.unwrap().unwrap().0.id;

        let refused = ask(&mut browser, "not the password").await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(user(&app, &id).await.unwrap().is_active());

        let answer = ask(&mut browser, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(answer.body.contains("id=\"deletion-requested\""), "{}", answer.body);
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
        app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(app.get_with("/oauth2/userinfo", access).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(log_in(&mut browser).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(mails(&app).await, ["deletion_requested"]);
        assert!(app.events().await.contains(&"user.deletion_requested"));

        app.clock.advance((14 * DAY).saturating_sub(Duration::from_secs(1)));
        sweep_once(app.ports()).await;
        assert!(user(&app, &id).await.is_some(), "removed too early");
        app.clock.advance(Duration::from_secs(1));
        sweep_once(app.ports()).await;
        assert!(user(&app, &id).await.is_none(), "still there");
        sweep_once(node.ports()).await;
        assert_eq!(mails(&app).await, ["account_deleted", "deletion_requested"]);
        let deleted = app.events().await.into_iter().filter(|kind| *kind == "user.deleted");
        assert_eq!(deleted.count(), 1);
    }

    async fn an_account_that_was_given_back_stays(app: TestApp) {
        let mut browser = Browser::new(&app);
        log_in(&mut browser).await;
        ask(&mut browser, PASSWORD).await;
        let user_now = set_user_status(&app.registrar(), USERNAME, UserStatus::Active).await.unwrap();
        app.clock.advance(30 * DAY);
        sweep_once(app.ports()).await;
        let user_now = user(&app, &user_now.id).await.unwrap();
        assert!(user_now.is_active() && user_now.deletion_due.is_none());
        assert_eq!(log_in(&mut browser).await.location(), "/account/delete");
    }

    async fn an_account_that_only_an_operator_locked_is_never_removed(app: TestApp) {
        let locked = set_user_status(&app.registrar(), USERNAME, UserStatus::Inactive).await.unwrap();
        app.clock.advance(3650 * DAY);
        sweep_once(app.ports()).await;
        assert!(user(&app, &locked.id).await.is_some());
    }

    async fn the_last_owner_cannot_go(app: TestApp) {
        let (owner, _) = make_owner(&app.registrar(), USERNAME).await.unwrap();
        let mut browser = Browser::new(&app);
        log_in(&mut browser).await;
        let refused = ask(&mut browser, PASSWORD).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(user(&app, &owner.id).await.unwrap().is_active());
        let another = app.add_user("another").await;
        let name = user(&app, &another).await.unwrap().username;
        make_owner(&app.registrar(), name.as_str()).await.unwrap();
        assert_eq!(ask(&mut browser, PASSWORD).await.status, StatusCode::OK);
        assert!(!user(&app, &owner.id).await.unwrap().is_active());
    }

    async fn whoever_was_given_back_at_the_last_moment_is_there_and_whoever_was_not_is_gone(app: TestApp) {
        let node = app.second_worker().await;
        for round in 0..100 {
            let id = app.add_user(&format!("user{round}")).await;
            let now = app.ports().clock.now();
            let work = app.begin().await;
            let mut user_then = work.user(&id).await.unwrap().unwrap();
            user_then.request_deletion(now, now);
            work.update_user(&user_then).await.unwrap();
            work.commit().await.unwrap();
            let registrar = app.registrar();
            let activation = async {
                tokio::time::sleep(random_offset()).await;
                set_user_status(&registrar, &id, UserStatus::Active).await
            };
            let sweep = async {
                tokio::time::sleep(random_offset()).await;
                sweep_once(node.ports()).await;
            };
            let (given_back, ()) = tokio::join!(activation, sweep);
            let found = user(&app, &id).await;
            assert_eq!(given_back.is_ok(), found.is_some(), "round {round}");
            assert!(found.is_none_or(|user| user.is_active()), "round {round}");
        }
    }
}
