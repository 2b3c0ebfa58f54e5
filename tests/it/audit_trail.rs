//! The audit trail, and what follows from its events.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use countersign::{
    application::{
        commands::{
            assign_role::{Assignment, assign_role},
            change_client::rotate_client_secret,
            change_user::set_password,
            define_role::{DefineRole, define_role},
        },
        courier::deliver_due,
        handlers::handle_due,
        ports::{Order, OutboxFilter, Page},
        queries::audit::{AuditFilter, audit},
        registrar::Registrar,
        trail::{About, Origin, changes},
    },
    domain::{
        event::{Actor, AuditEvent, EventKind, reference},
        id::{ClientId, UserId},
    },
};

use super::support::app::{Browser, PASSWORD, SECRET, TestApp, USERNAME, client, on_both};

fn registrar(app: &TestApp) -> Registrar {
    app.registrar()
}

/// Runs all handlers and sends all mail: the subjects of everything that was ever sent, newest first.
async fn subjects(app: &TestApp) -> Vec<String> {
    while handle_due(app.ports()).await.unwrap() > 0 {}
    while deliver_due(app.ports()).await.unwrap() > 0 {}
    let letters = app.app.mailbox().unwrap().letters();
    letters.into_iter().map(|letter| letter.subject).collect()
}

async fn all(app: &TestApp) -> Vec<AuditEvent> {
    let page = Page {
        after: None,
        limit: 10_000,
    };
    app.ports().store.reader().events(&page).await.unwrap()
}

async fn fail_login(app: &TestApp, user: Option<&UserId>, client: Option<&str>) {
    let about = About {
        user: user.cloned(),
        client: client.map(ClientId::new),
        ..About::default()
    };
    let origin = Origin {
        address: Some("192.0.2.1".to_owned()),
        trace: Some("trace-of-a-failure".to_owned()),
        ..Origin::default()
    };
    app.ports()
        .record(EventKind::LoginFailed, &origin, about)
        .await
        .unwrap();
}

on_both! {
    async fn of_several_workers_exactly_one_handles_each_event(app: TestApp) {
        const EVENTS: u64 = 300;
        let other = app.second_worker().await;
        for _ in 0..EVENTS {
            fail_login(&app, Some(&app.user), Some("web")).await;
        }
        let drain = async |ports| while handle_due(ports).await.unwrap() > 0 {};
        let (one, two) = (app.ports(), other.ports());
        tokio::join!(drain(one), drain(two), drain(one), drain(two));
        drain(one).await;
        let today = one.clock.now().day();
        let days = one.store.reader().daily_logins(today, today).await.unwrap();
        assert_eq!((days.len(), days[0].failed, days[0].succeeded), (1, EVENTS, 0));
    }

    async fn logins_are_counted_by_day_user_and_client(app: TestApp) {
        Browser::new(&app).code("web", &[]).await;
        fail_login(&app, Some(&app.user), Some("web")).await;
        fail_login(&app, None, None).await;
        let first = app.ports().clock.now().day();
        app.clock.advance(Duration::from_hours(24));
        Browser::new(&app).code("spa", &[]).await;
        let last = app.ports().clock.now().day();
        subjects(&app).await;
        let reader = app.ports().store.reader();
        let counts = reader.logins_of(&app.user, first, last).await.unwrap();
        let counts: Vec<_> = counts
            .iter()
            .map(|it| (it.day, it.client.as_ref().unwrap().as_str(), it.succeeded, it.failed))
            .collect();
        assert_eq!(counts, [(first, "web", 1, 1), (last, "spa", 1, 0)]);
        let days = reader.daily_logins(first, last).await.unwrap();
        let days: Vec<_> = days.iter().map(|it| (it.succeeded, it.failed)).collect();
        assert_eq!(days, [(1, 2), (1, 0)]);
    }

    async fn a_login_in_a_new_browser_is_told_but_not_the_first_of_an_account(app: TestApp) {
        let mut known = Browser::new(&app);
        known.code("web", &[]).await;
        assert_eq!(subjects(&app).await, [""; 0]);
        known.code("web", &[("prompt", "login")]).await;
        assert_eq!(subjects(&app).await, [""; 0]);
        Browser::new(&app).code("web", &[]).await;
        assert_eq!(subjects(&app).await, ["New sign-in to your account at id.example"]);
    }

    async fn a_new_password_is_told_to_a_verified_address_only(app: TestApp) {
        let password = "another password".into();
        app.change_user(|user| user.email_verified = false).await;
        set_password(&registrar(&app), USERNAME, &password).await.unwrap();
        assert_eq!(subjects(&app).await, [""; 0]);
        app.change_user(|user| user.email_verified = true).await;
        set_password(&registrar(&app), USERNAME, &password).await.unwrap();
        assert_eq!(subjects(&app).await, ["Your password at id.example was changed"]);
    }

    async fn a_replayed_refresh_token_is_told_with_the_name_of_the_application(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let first = tokens["refresh_token"].as_str().unwrap();
        let next = app.refresh("web", first).await.json();
        app.refresh("web", next["refresh_token"].as_str().unwrap()).await;
        app.clock.advance(Duration::from_mins(1));
        app.refresh("web", first).await.assert_error(400, "invalid_grant");
        assert_eq!(subjects(&app).await, ["An application lost its access to your account at id.example"]);
        let text = app.app.mailbox().unwrap().letters().remove(0).text;
        assert!(text.contains("The web client"), "{text}");
    }

    async fn a_token_request_queues_nothing(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        subjects(&app).await;
        app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        let code = Browser::new(&app).code("web", &[]).await;
        subjects(&app).await;
        app.redeem("web", &code).await;
        let page = Page { after: None, limit: 10 };
        let rows = app.ports().store.reader().outbox(OutboxFilter::All, &page).await.unwrap();
        assert_eq!(rows, []);
    }

    async fn an_event_that_this_node_cannot_read_keeps_no_other_waiting(app: TestApp) {
        fail_login(&app, None, None).await;
        app.execute("UPDATE audit_events SET kind = 'login.of_the_future'").await;
        for _ in 0..3 {
            fail_login(&app, None, None).await;
        }
        for _ in 0..20 {
            handle_due(app.ports()).await.unwrap();
        }
        let today = app.ports().clock.now().day();
        let reader = app.ports().store.reader();
        let days = reader.daily_logins(today, today).await.unwrap();
        assert_eq!(days.iter().map(|day| day.failed).sum::<u64>(), 3);
        // It waits, and a node that knows it will handle it.
        app.execute("UPDATE audit_events SET kind = 'login.failed'").await;
        app.clock.advance(Duration::from_mins(6));
        handle_due(app.ports()).await.unwrap();
        let days = reader.daily_logins(today, today).await.unwrap();
        assert_eq!(days[0].failed, 4);
    }

    async fn events_tell_who_did_it(app: TestApp) {
        Browser::new(&app).code("web", &[]).await;
        let registrar = registrar(&app);
        let role = DefineRole {
            name: "editor".to_owned(),
            description: None,
            permissions: BTreeSet::new(),
        };
        define_role(&registrar, role).await.unwrap();
        assign_role(&registrar, USERNAME, "editor", Assignment::Give).await.unwrap();
        fail_login(&app, Some(&app.user), None).await;
        let events = all(&app).await;
        let actor = |kind| events.iter().find(|event| event.kind == kind).unwrap().actor();
        assert_eq!(actor(EventKind::LoginSucceeded), Some(Actor::User(app.user.clone())));
        assert_eq!(actor(EventKind::RoleAssigned), Some(Actor::Operator));
        // Whoever failed did not prove to be the user.
        assert_eq!(actor(EventKind::LoginFailed), None);
    }

    async fn a_filter_finds_all_that_passes_and_nothing_else(app: TestApp) {
        for number in 0..60_u64 {
            let user = (number % 2 == 0).then_some(&app.user);
            let client = if number % 3 == 0 { "web" } else { "spa" };
            fail_login(&app, user, Some(client)).await;
            app.clock.advance(Duration::from_secs(10));
        }
        let store = &*app.ports().store;
        let start = crate::support::app::start();
        let filters = [
            (AuditFilter { kinds: vec![EventKind::LoginFailed], ..AuditFilter::default() }, 60),
            (AuditFilter { kinds: vec![EventKind::KeyCreated], ..AuditFilter::default() }, 0),
            (AuditFilter { user: Some(app.user.clone()), ..AuditFilter::default() }, 30),
            (AuditFilter { client: Some(ClientId::new("web")), ..AuditFilter::default() }, 20),
            (AuditFilter { trace: Some("trace-of-a-failure".to_owned()), ..AuditFilter::default() }, 60),
            (AuditFilter { trace: Some("another".to_owned()), ..AuditFilter::default() }, 0),
            (
                AuditFilter {
                    user: Some(app.user.clone()),
                    client: Some(ClientId::new("web")),
                    since: Some(start.plus(Duration::from_secs(100))),
                    until: Some(start.plus(Duration::from_mins(5))),
                    ..AuditFilter::default()
                },
                // Numbers 10 to 29 that six divides.
                3,
            ),
        ];
        for (filter, expected) in filters {
            let mut found: Vec<BTreeSet<String>> = Vec::new();
            for order in [Order::OldestFirst, Order::NewestFirst] {
                let (mut ids, mut after) = (Vec::new(), None);
                loop {
                    let page = audit(store, &filter, order, after.as_deref(), 7).await.unwrap();
                    assert!(page.events.len() <= 7);
                    ids.extend(page.events.into_iter().map(|event| event.id));
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len());
                let mut sorted = ids.clone();
                sorted.sort();
                if order == Order::NewestFirst {
                    sorted.reverse();
                }
                assert_eq!(ids, sorted);
                found.push(ids.into_iter().collect());
            }
            assert_eq!(found[0].len(), expected, "{filter:?}");
            assert_eq!(found[0], found[1]);
        }
    }

    async fn c188_no_secret_reaches_the_trail_or_the_outbox(app: TestApp) {
        let tokens = app.tokens("web", "openid offline_access").await;
        let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
        let next = app.refresh("web", &refresh).await.json();
        app.refresh("web", next["refresh_token"].as_str().unwrap()).await;
        app.clock.advance(Duration::from_mins(1));
        app.refresh("web", &refresh).await;
        let mut browser = Browser::new(&app);
        let page = browser.authorize("web", &[]).await;
        let location = page.location().to_owned();
        let page = browser.get(&location).await;
        browser.log_in(&page.body, USERNAME, "canary-wrong-password").await;
        let registrar = registrar(&app);
        set_password(&registrar, USERNAME, &"canary-new-password".into()).await.unwrap();
        let id = ClientId::new("web");
        let rotated = rotate_client_secret(&registrar, &id, None, (Duration::from_mins(1), false)).await;
        let secret = rotated.unwrap().secret.unwrap();
        let secret = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
        let page = Page { after: None, limit: 1000 };
        let outbox = app.ports().store.reader().outbox(OutboxFilter::All, &page).await.unwrap();
        let text = format!("{:?} {outbox:?}", all(&app).await);
        for canary in [
            PASSWORD,
            SECRET,
            "canary",
            "argon2",
            &secret,
            &refresh,
            tokens["access_token"].as_str().unwrap(),
            tokens["id_token"].as_str().unwrap(),
        ] {
            assert!(!text.contains(canary), "{canary}");
        }
        assert!(text.contains("RefreshReplayed") && text.contains("PasswordChanged"));
    }
}

#[test]
fn what_changed_is_told_without_secrets() {
    let before = client("web");
    let mut after = before.clone();
    after.name = "Another name".to_owned();
    after.authentication = countersign::domain::client::ClientAuthentication::ClientSecretPost {
        secrets: before.authentication.secrets().to_vec(),
    };
    after.updated_at = after.updated_at.plus(Duration::from_secs(1));
    let changes = changes(&before, &after);
    assert_eq!(changes["before"]["name"], "The web client");
    assert_eq!(changes["after"]["name"], "Another name");
    let members = changes["after"].as_object().unwrap();
    assert_eq!(members.len(), 2, "{changes}");
    let digest = serde_json::to_string(&before.authentication.secrets()[0].digest).unwrap();
    assert!(!changes.to_string().contains(&digest), "{changes}");
}

#[test]
fn the_reference_of_events_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        reference(),
        "write it anew: cargo run -- audit reference > docs/events.md"
    );
}

#[test]
fn no_statement_changes_a_line_of_the_trail() {
    let sql = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/infrastructure/sql");
    for entry in std::fs::read_dir(sql).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = std::fs::read_to_string(&path).unwrap();
            for statement in ["update_many", "update(", "update_one"] {
                let forbidden = format!("audit_event::Entity::{statement}");
                assert!(!text.contains(&forbidden), "{}", path.display());
            }
        }
    }
}
