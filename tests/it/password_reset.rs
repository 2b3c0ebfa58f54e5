//! "Forgot your password?", and invitations: links and codes that work once.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    application::{
        commands::{change_user::set_password, invite::invite},
        handlers::handle_due,
        mail::{Message, OneTime},
        ports::{OutboxFilter, Page},
        trail::Origin,
    },
    domain::{event::OutboxKind, user::UserStatus},
    protocol::issuer::Issuer,
};
use futures_util::future::join_all;

use super::support::app::{
    Answer, Browser, ISSUER, PASSWORD, TestApp, USERNAME, encode, form, hidden_fields, on_both,
    send,
};

const NEW: &str = "seven quiet lanterns";

/// What waits in the outbox, oldest first.
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

async fn reset_mails(app: &TestApp) -> Vec<OneTime> {
    let mut resets = Vec::new();
    for message in mails(app).await {
        if let Message::ResetPassword(once) = message {
            resets.push(once);
        }
    }
    resets
}

/// The path of a mail's link.
fn path(once: &OneTime) -> String {
    let url = once.link.under(&Issuer::parse(ISSUER).unwrap());
    url.strip_prefix(ISSUER).unwrap().to_owned()
}

fn token(once: &OneTime) -> String {
    path(once).strip_prefix("/reset?token=").unwrap().to_owned()
}

/// Asks for a mail to `name`, and waits until it is written: the page with the field for the code.
async fn ask(app: &TestApp, name: &str) -> Answer {
    let answer = Browser::new(app).post("/forgot", &[("name", name)]).await;
    app.app.idle().await;
    // Within a second mails have no order.
    app.clock.advance(Duration::from_secs(1));
    answer
}

async fn reset(app: &TestApp, fields: &[(&str, &str)], password: &str) -> Answer {
    let mut fields = fields.to_vec();
    fields.extend([("password", password), ("again", password)]);
    Browser::new(app).post("/reset", &fields).await
}

fn link_of(page: &Answer) -> String {
    let fields = hidden_fields(&page.body);
    let (_, id) = fields.into_iter().find(|(name, _)| name == "link").unwrap();
    id
}

/// Whether the user can log in with `password`.
async fn logs_in(app: &TestApp, password: &str) -> bool {
    let mut browser = Browser::new(app);
    let location = browser.authorize("web", &[]).await.location().to_owned();
    let page = browser.get(&location).await;
    let answer = browser.log_in(&page.body, USERNAME, password).await;
    answer.status == StatusCode::SEE_OTHER
}

on_both! {
    async fn a_forgotten_password_is_set_anew_by_mail_and_ends_everything_from_before(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        app.clock.advance(Duration::from_secs(1));
        ask(&app, "Alice@id.example").await;
        let once = reset_mails(&app).await.remove(0);
        let page = Browser::new(&app).get(&path(&once)).await;
        assert_eq!(page.status, StatusCode::OK);
        // The address holds the token: no other site may see it.
        assert_eq!(page.header("referrer-policy"), "same-origin");
        let answer = reset(&app, &[("token", &token(&once))], NEW).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(answer.body.contains("id=\"password-set\""), "{}", answer.body);
        assert!(logs_in(&app, NEW).await && !logs_in(&app, PASSWORD).await);
        let refreshed = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        refreshed.assert_error(400, "invalid_grant");
        handle_due(app.ports()).await.unwrap();
        let told = |message: &Message| matches!(message, Message::PasswordChanged { .. });
        assert!(mails(&app).await.iter().any(told));
        let events = app.events().await;
        assert!(events.contains(&"password.reset_asked") && events.contains(&"password.changed"), "{events:?}");
    }

    async fn c141_who_asks_for_a_mail_learns_nothing_of_the_account(app: TestApp) {
        let known = ask(&app, USERNAME).await.without_nonce();
        let nobody = ask(&app, "nobody").await.without_nonce();
        let no_name = ask(&app, "\u{200b}").await.without_nonce();
        app.change_user(|user| user.status = UserStatus::Inactive).await;
        let inactive = ask(&app, USERNAME).await.without_nonce();
        let bare = |page: &Answer| page.body.replace(&link_of(page), "");
        for other in [&nobody, &no_name, &inactive] {
            assert_eq!((other.status, bare(other)), (known.status, bare(&known)));
            let headers = |page: &Answer| format!("{:?}", page.headers);
            assert_eq!(headers(other), headers(&known));
        }
        assert_eq!(reset_mails(&app).await.len(), 1);
        // Nor does whoever tries codes afterwards.
        let mut answers = Vec::new();
        for id in [link_of(&known), link_of(&nobody), "made-up".to_owned()] {
            let answer = reset(&app, &[("link", &id), ("code", "abcdef")], NEW).await.without_nonce();
            answers.push((answer.status, answer.body.replace(&id, "")));
        }
        assert_eq!(answers[0].0, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answers.iter().all(|answer| *answer == answers[0]));
    }

    async fn c142_a_name_that_nobody_has_leaves_as_many_rows(app: TestApp) {
        let id = link_of(&ask(&app, "nobody").await);
        let work = app.begin().await;
        // There is something to try codes at, and it opens nothing.
        let link = work.try_link(&id, 5, app.ports().clock.now()).await.unwrap().unwrap();
        assert_eq!((link.user, link.email), (None, None));
    }

    async fn c157_there_is_no_way_to_a_new_password_without_link_or_code(app: TestApp) {
        let page = ask(&app, USERNAME).await;
        let (id, once) = (link_of(&page), reset_mails(&app).await.remove(0));
        let code = once.code.clone().unwrap();
        for fields in [
            vec![],
            vec![("token", "")],
            vec![("token", "made-up")],
            vec![("token", id.as_str())],
            vec![("link", id.as_str())],
            vec![("link", id.as_str()), ("code", "")],
            vec![("link", "made-up"), ("code", code.as_str())],
            vec![("code", code.as_str())],
            vec![("token", "made-up"), ("link", id.as_str()), ("code", code.as_str())],
            vec![("name", USERNAME), ("link", ""), ("code", code.as_str())],
        ] {
            let answer = reset(&app, &fields, NEW).await;
            assert!(answer.status.is_client_error(), "{fields:?}: {}", answer.status);
        }
        assert!(logs_in(&app, PASSWORD).await);
        // Nor from elsewhere, with the right one.
        let (token, foreign) = (token(&once), "https://evil.example");
        let fields = [("token", token.as_str()), ("password", NEW), ("again", NEW)];
        let request = form("/reset", &fields).header(header::ORIGIN, foreign);
        let answer = app.send(request.body(Body::from(encode(&fields))).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(logs_in(&app, PASSWORD).await);
    }

    async fn c158_of_all_who_use_a_link_at_once_one_sets_the_password(app: TestApp) {
        ask(&app, USERNAME).await;
        let token = token(&reset_mails(&app).await.remove(0));
        let answers = join_all((0..8).map(|n| {
            let (app, token) = (&app, token.as_str());
            async move { reset(app, &[("token", token)], &format!("{NEW} {n}")).await }
        })).await;
        let won = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
        let lost = answers.iter().filter(|answer| answer.status == StatusCode::GONE).count();
        assert_eq!((won, lost), (1, 7), "{answers:?}");
        assert_eq!(app.events().await.iter().filter(|kind| **kind == "password.changed").count(), 1);
        assert_eq!(reset(&app, &[("token", &token)], NEW).await.status, StatusCode::GONE);
    }

    async fn c159_following_a_link_uses_nothing_up(app: TestApp) {
        ask(&app, USERNAME).await;
        let once = reset_mails(&app).await.remove(0);
        for method in ["GET", "HEAD", "GET"] {
            let request = Request::builder().method(method).uri(path(&once));
            let answer = send(&app.router, request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::OK, "{method}");
        }
        assert!(logs_in(&app, PASSWORD).await);
        assert_eq!(reset(&app, &[("token", &token(&once))], NEW).await.status, StatusCode::OK);
    }

    async fn c147_a_code_has_five_tries_however_they_come(app: TestApp) {
        let id = link_of(&ask(&app, USERNAME).await);
        let code = reset_mails(&app).await.remove(0).code.unwrap();
        let wrong = if code == "000000" { "000001" } else { "000000" };
        // A password that nobody may have costs no try.
        for _ in 0..6 {
            let unfit = reset(&app, &[("link", &id), ("code", &code)], "password").await;
            assert!(unfit.body.contains("most common"), "{}", unfit.body);
        }
        let fields = [("link", id.as_str()), ("code", wrong)];
        join_all((0..5).map(|_| reset(&app, &fields, NEW))).await;
        let late = reset(&app, &[("link", &id), ("code", &code)], NEW).await;
        assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(logs_in(&app, PASSWORD).await);
    }

    async fn a_code_works_where_the_link_cannot_be_followed_and_once(app: TestApp) {
        let id = link_of(&ask(&app, USERNAME).await);
        let code = reset_mails(&app).await.remove(0).code.unwrap();
        let spaced = format!(" {} {}", &code[..3], &code[3..]);
        let fields = [("link", id.as_str()), ("code", spaced.as_str())];
        assert_eq!(reset(&app, &fields, NEW).await.status, StatusCode::OK);
        assert!(logs_in(&app, NEW).await);
        assert_eq!(reset(&app, &fields, PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(logs_in(&app, NEW).await);
    }

    async fn a_link_ends_with_its_hour_and_with_the_password_that_it_was_to_replace(app: TestApp) {
        ask(&app, USERNAME).await;
        ask(&app, USERNAME).await;
        let [first, second] = reset_mails(&app).await.try_into().ok().unwrap();
        let registrar = app.registrar();
        assert_eq!(reset(&app, &[("token", &token(&first))], NEW).await.status, StatusCode::OK);
        assert_eq!(reset(&app, &[("token", &token(&second))], NEW).await.status, StatusCode::GONE);
        ask(&app, USERNAME).await;
        set_password(&registrar, USERNAME, &PASSWORD.into()).await.unwrap();
        let third = reset_mails(&app).await.remove(2);
        assert_eq!(reset(&app, &[("token", &token(&third))], NEW).await.status, StatusCode::GONE);
        ask(&app, USERNAME).await;
        let fourth = reset_mails(&app).await.remove(3);
        app.clock.advance(Duration::from_hours(1));
        assert_eq!(Browser::new(&app).get(&path(&fourth)).await.status, StatusCode::GONE);
        assert_eq!(reset(&app, &[("token", &token(&fourth))], NEW).await.status, StatusCode::GONE);
        assert!(logs_in(&app, PASSWORD).await);
    }

    async fn nobody_s_mailbox_is_flooded(app: TestApp) {
        for _ in 0..7 {
            ask(&app, USERNAME).await;
        }
        assert_eq!(reset_mails(&app).await.len(), 5);
        app.clock.advance(Duration::from_hours(1) + Duration::from_secs(1));
        ask(&app, USERNAME).await;
        assert_eq!(reset_mails(&app).await.len(), 6);
    }

    async fn c151_the_mail_s_link_stands_under_the_issuer_whatever_the_request_says(app: TestApp) {
        let fields = [("name", USERNAME)];
        let request = form("/forgot", &fields)
            .header(header::HOST, "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "host=evil.example");
        app.send(request.body(Body::from(encode(&fields))).unwrap()).await;
        app.app.idle().await;
        countersign::application::courier::deliver_due(app.ports()).await.unwrap();
        let letters = app.app.mailbox().unwrap().letters();
        let letter = &letters[0];
        assert!(letter.text.contains(&format!("{ISSUER}/reset?token=")), "{}", letter.text);
        assert!(!letter.text.contains("evil") && !letter.html.contains("evil"));
    }

    async fn who_resets_on_the_way_to_an_application_ends_there(app: TestApp) {
        let mut browser = Browser::new(&app);
        let location = browser.authorize("web", &[]).await.location().to_owned();
        let page = browser.get(&location).await;
        let (_, rest) = page.body.split_once("id=\"forgot\" href=\"").unwrap();
        let forgot = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        let page = browser.get(&forgot).await;
        let mut fields = hidden_fields(&page.body);
        fields.push(("name".to_owned(), USERNAME.to_owned()));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        browser.post("/forgot", &fields).await;
        app.app.idle().await;
        let token = token(&reset_mails(&app).await.remove(0));
        let done = browser.post("/reset", &[("token", &token), ("password", NEW), ("again", NEW)]).await;
        let (_, rest) = done.body.split_once("id=\"continue\" href=\"").unwrap();
        let on = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        assert!(on.starts_with("/oauth2/authorize/resume?interaction="), "{on}");
        let login = browser.get(&on).await.location().to_owned();
        let page = browser.get(&login).await;
        let answer = browser.log_in(&page.body, USERNAME, NEW).await;
        let answer = browser.finish(answer).await;
        assert!(answer.location_param("code").is_some(), "{answer:?}");
    }

    async fn an_invitation_opens_an_account_once(app: TestApp) {
        let user = app.ports().store.reader().user(&app.user).await.unwrap().unwrap();
        assert!(invite(app.ports(), &user, &Origin::default()).await.unwrap());
        let mail = mails(&app).await.remove(0);
        let Message::Invitation(once) = mail else { panic!("no invitation") };
        assert_eq!(reset(&app, &[("token", &token(&once))], NEW).await.status, StatusCode::OK);
        assert_eq!(reset(&app, &[("token", &token(&once))], NEW).await.status, StatusCode::GONE);
        assert!(logs_in(&app, NEW).await);
    }

    async fn a_password_that_nobody_should_have_is_refused_and_the_link_stays_good(app: TestApp) {
        ask(&app, USERNAME).await;
        let token = token(&reset_mails(&app).await.remove(0));
        for (password, problem) in [("short", "at least 8"), ("iloveyou", "most common"), ("Alice-Example-1", "made of your name")] {
            let answer = reset(&app, &[("token", &token)], password).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.body.contains(problem), "{}", answer.body);
            assert!(!answer.body.contains(password), "it is not repeated");
        }
        let fields = [("token", token.as_str()), ("password", NEW), ("again", "something else")];
        let answer = Browser::new(&app).post("/reset", &fields).await;
        assert!(answer.body.contains("differ"), "{}", answer.body);
        assert_eq!(reset(&app, &[("token", &token)], NEW).await.status, StatusCode::OK);
    }
}
