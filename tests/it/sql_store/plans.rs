//! Every statement that the repositories run finds its rows by an index.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use countersign::{
    application::ports::{
        AuditKey, AuditSlice, LoginCount, Order, OutboxFilter, Reader, Store as _, Touched,
        UserName,
    },
    domain::{
        algorithm::SigningAlgorithm,
        consent::Consent,
        event::{AuditEvent, EventKind, OutboxKind, OutboxMessage},
        id::{ClientId, SessionId},
        key::ServerKey,
        one_time::{OneTimeLink, Purpose},
        resource::ResourceServer,
        role::Role,
        secret::SecretDigest,
        user::{Email, PasswordHash},
        user_session::UserSession,
    },
    infrastructure::sql::{SqlOptions, SqlStore, connect, migrate},
};
use serde_json::json;

use super::planner::Planner;
use super::records::{
    NOW, client, commit, grant, group, later, page, permission, role, user, user_id,
};
use crate::support::sql::{TestDatabase, options};

pub(super) async fn every_query_has_an_index(database: &TestDatabase) {
    let statements = statements(database).await;
    // Fewer would mean that the repositories were not heard.
    assert!(statements.len() > 40, "{statements:#?}");
    let mut planner = Planner::connect(database).await;
    let mut complaints = Vec::new();
    for sql in &statements {
        let plan = planner.plan(sql).await;
        if !planner.uses_indexes(sql, &plan) {
            complaints.push(format!("{sql}\n{}", plan.join("\n")));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// The test of the test: what a missing index looks like is recognized.
pub(super) async fn a_query_without_an_index_is_noticed(database: &TestDatabase) {
    database.store().await;
    let mut planner = Planner::connect(database).await;
    for sql in [
        "SELECT id FROM users WHERE nickname = $1",
        "SELECT id FROM users ORDER BY nickname LIMIT 5",
        "SELECT id FROM users WHERE lower(username) = $1",
        "SELECT id FROM users WHERE nickname = $1 ORDER BY id LIMIT 5",
        "DELETE FROM grants WHERE revoked_at < $1",
        "SELECT kid FROM signing_keys WHERE generation = $1",
        "SELECT users.id FROM users JOIN grants ON grants.user_id = users.id WHERE users.id = $1",
    ] {
        let plan = planner.plan(sql).await;
        assert!(!planner.uses_indexes(sql, &plan), "{sql}\n{plan:#?}");
    }
}

/// SQLite plans a statement anew each time a limit is bound to it. Only a page needs one, and a page
/// has an order; what an operator looks for by its trace is sorted afterwards.
pub(super) async fn no_reading_by_key_binds_a_limit(database: &TestDatabase) {
    let statements = statements(database).await;
    let is_limited = |sql: &&String| sql.contains("LIMIT") && !sql.contains("\"trace\" =");
    let limited = statements.iter().filter(is_limited);
    let (pages, by_key): (Vec<_>, Vec<_>) = limited.partition(|sql| sql.contains("ORDER BY"));
    assert!(!pages.is_empty(), "{statements:#?}");
    assert!(by_key.is_empty(), "{by_key:#?}");
}

/// Whoever adds a method to a port must call it here, or its query would go unseen.
#[test]
fn every_method_of_the_ports_is_exercised() {
    let keys = include_str!("../../../src/application/ports/keys.rs");
    let (keys, _) = keys.split_once("/// A document").unwrap();
    let repositories = include_str!("../../../src/application/ports/repositories.rs");
    let outbox = include_str!("../../../src/application/ports/outbox.rs");
    let statistics = include_str!("../../../src/application/ports/statistics.rs");
    let changes = include_str!("../../../src/application/ports/changes.rs");
    let links = include_str!("../../../src/application/ports/links.rs");
    let members = include_str!("../../../src/application/ports/members.rs");
    let sessions = include_str!("../../../src/application/ports/sessions.rs");
    let mut methods = 0;
    for port in [
        keys,
        repositories,
        outbox,
        statistics,
        changes,
        links,
        members,
        sessions,
    ] {
        for method in port.split("async fn ").skip(1) {
            let (name, _) = method.split_once('(').unwrap();
            let call = format!(".{name}(");
            assert!(include_str!("plans.rs").contains(&call), "{name}");
            methods += 1;
        }
    }
    assert!(methods > 35, "{methods}");
}

/// What the repositories run, as they run it, with placeholders.
async fn statements(database: &TestDatabase) -> BTreeSet<String> {
    let heard = Arc::new(Mutex::new(BTreeSet::new()));
    let observed = SqlOptions {
        observer: Some({
            let heard = Arc::clone(&heard);
            Arc::new(move |observed| {
                assert!(!observed.failed, "{}", observed.sql);
                heard.lock().unwrap().insert(observed.sql.to_owned());
            })
        }),
        ..options()
    };
    let store = connect(database.url(), &SqlOptions::default()).await;
    migrate::up(&store.unwrap()).await.unwrap();
    let store = connect(database.url(), &observed).await.unwrap();
    write(&store).await;
    read(store.reader()).await;
    remove(&store).await;
    heard.lock().unwrap().clone()
}

async fn write(store: &SqlStore) {
    let owner = Role {
        permissions: [permission("*", None)].into(),
        ..role("owner")
    };
    let (admin, staff) = (role("admin"), group("staff", &[&role("admin"), &owner]));
    let hash = PasswordHash::new("$argon2id$");
    commit!(*store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.update_user(&user("grace")).await.unwrap();
        let grace = user_id("grace");
        unit.set_password(&grace, &hash, NOW).await.unwrap();
        unit.add_role(&admin).await.unwrap();
        unit.add_role(&owner).await.unwrap();
        unit.update_role(&admin).await.unwrap();
        unit.add_group(&staff).await.unwrap();
        unit.update_group(&staff).await.unwrap();
        unit.put_claim(&grace, "office", &json!(1)).await.unwrap();
        unit.add_link(&link()).await.unwrap();
        unit.try_link("l", 5, NOW).await.unwrap();
        unit.put_session(&user_session()).await.unwrap();
        unit.touch_session(&touched(&user_session())).await.unwrap();
        unit.assign_role(&grace, &admin.id).await.unwrap();
        unit.join_group(&grace, &staff.id).await.unwrap();
        unit.add_client(&client("app")).await.unwrap();
        unit.update_client(&client("app")).await.unwrap();
        unit.put_resource_server(&resource_server()).await.unwrap();
        unit.put_consent(&consent()).await.unwrap();
        let grant = grant("g", "grace", "app");
        unit.redeem_grant(&grant, later(60)).await.unwrap();
        unit.redeem_grants(&[(&grant, later(60))]).await.unwrap();
        unit.revoke_all(&[("r".to_owned(), NOW)]).await.unwrap();
        let second = AuditEvent {
            id: "e2".to_owned(),
            ..event()
        };
        unit.record_all(&[second]).await.unwrap();
        unit.add_signing_key(&key()).await.unwrap();
        unit.set_signing_key_times(&key()).await.unwrap();
        unit.record(&event()).await.unwrap();
        unit.enqueue(&message()).await.unwrap();
        let kind = OutboxKind::Mail;
        unit.claim_due(kind, NOW, later(60), 5).await.unwrap();
        unit.postpone(&message(), NOW, "why").await.unwrap();
        unit.bury(&message(), NOW, "why").await.unwrap();
        unit.revive("m", NOW).await.unwrap();
        unit.take_due(OutboxKind::Event, NOW, 5).await.unwrap();
        unit.count_logins(&[login_count()]).await.unwrap();
    });
}

async fn read(reader: &dyn Reader) {
    let (grace, app) = (user_id("grace"), ClientId::new("app"));
    reader.user(&grace).await.unwrap();
    reader.user_by_login("grace").await.unwrap();
    reader.user_by_login("grace@example.com").await.unwrap();
    reader.role_by_name("admin").await.unwrap();
    reader.roles().await.unwrap();
    reader.group_by_name("staff").await.unwrap();
    reader.groups().await.unwrap();
    let link = link();
    reader.link_by_secret(&link.secret).await.unwrap();
    let email = Email::parse("grace@example.com").unwrap();
    reader.links_since(&email, link.purpose, NOW).await.unwrap();
    let sessions = reader.sessions_of(&grace, 5).await.unwrap();
    assert_eq!(sessions, [user_session()]);
    reader.authority(&grace).await.unwrap();
    reader.membership(&grace).await.unwrap();
    let first = &countersign::application::ports::Page {
        after: None,
        limit: 5,
    };
    let (admin, staff) = (role("admin").id, group("staff", &[]).id);
    reader.users_with_role(&admin, first).await.unwrap();
    reader.users_in_group(&staff, first).await.unwrap();
    assert!(
        reader.has_owner().await.unwrap(),
        "through a group, looked at last"
    );
    for name in [
        UserName::Username,
        UserName::Email,
        UserName::FirstName,
        UserName::LastName,
    ] {
        let page = page(Some("gr"), 5);
        reader.users_by_name(name, "g", &page).await.unwrap();
    }
    let granted = page(Some("a"), 5);
    reader.grants_of(&grace, &app, &granted).await.unwrap();
    reader.client(&app).await.unwrap();
    reader.resource_server("https://api.example").await.unwrap();
    reader.resource_servers().await.unwrap();
    reader.consent(&grace, &app).await.unwrap();
    reader.consents_of(&grace).await.unwrap();
    let grant = grant("g", "grace", "app");
    reader.grant(&grant.id).await.unwrap();
    reader.signing_keys().await.unwrap();
    reader.backlog(5).await.unwrap();
    reader.events_of_trace("t", NOW, 5).await.unwrap();
    reader.latest_change().await.unwrap();
    let ids = ["e".to_owned(), "e2".to_owned()];
    reader.events_by_id(&ids).await.unwrap();
    slices(reader).await;
    let (first, last) = (NOW.day(), NOW.day());
    reader.daily_logins(first, last).await.unwrap();
    reader.logins_of(&grace, first, last).await.unwrap();
    reader.has_logged_in(&grace).await.unwrap();
    reader.has_due(OutboxKind::Mail, NOW).await.unwrap();
    reader.changes_from(0, 5).await.unwrap();
    reader.is_any_revoked(&["r".to_owned()]).await.unwrap();
    for after in [None, Some("a")] {
        let page = page(after, 5);
        reader.users(&page).await.unwrap();
        reader.clients(&page).await.unwrap();
        reader.events(&page).await.unwrap();
        for filter in [OutboxFilter::All, OutboxFilter::Dead] {
            reader.outbox(filter, &page).await.unwrap();
        }
    }
}

async fn slices(reader: &dyn Reader) {
    for key in [AuditKey::All, AuditKey::User(user_id("grace"))] {
        for order in [Order::OldestFirst, Order::NewestFirst] {
            for after in [None, Some("a".to_owned())] {
                let slice = AuditSlice {
                    key: key.clone(),
                    from: after.clone(),
                    before: after.clone(),
                    after,
                    order,
                    limit: 5,
                };
                reader.audit(&slice).await.unwrap();
            }
        }
    }
}

fn link() -> OneTimeLink {
    OneTimeLink {
        id: "l".to_owned(),
        secret: SecretDigest::of("secret"),
        sealed_code: vec![1],
        purpose: Purpose::ResetPassword,
        user: Some(user_id("grace")),
        email: None,
        security_version: 1,
        way_on: None,
        created_at: NOW,
        expires_at: later(60),
    }
}

fn login_count() -> LoginCount {
    LoginCount {
        day: NOW.day(),
        user: Some(user_id("grace")),
        client: None,
        succeeded: 1,
        failed: 0,
    }
}

async fn remove(store: &SqlStore) {
    let (grace, app) = (user_id("grace"), ClientId::new("app"));
    let session = SessionId::new("session");
    commit!(*store, |unit| {
        let grant = grant("g", "grace", "app");
        unit.revoke_grant(&grant.id, &app, NOW).await.unwrap();
        unit.revoke_grants_of(&grace, &app, NOW).await.unwrap();
        let revoked = unit.revoke_grants_of_session(&session, NOW).await;
        assert_eq!(revoked.unwrap(), []);
        unit.sweep_grants(later(60), 5).await.unwrap();
        unit.sweep_revocations(later(60), 5).await.unwrap();
        unit.sweep_changes(later(60), 5).await.unwrap();
        unit.sweep_events(later(60), 5).await.unwrap();
        unit.unassign_role(&grace, &role("admin").id).await.unwrap();
        unit.leave_group(&grace, &group("staff", &[]).id)
            .await
            .unwrap();
        unit.delete_group(&group("staff", &[]).id).await.unwrap();
        unit.delete_role(&role("admin").id).await.unwrap();
        unit.delete_claim(&grace, "office").await.unwrap();
        unit.use_link("l", NOW).await.unwrap();
        unit.sweep_links(later(60), 5).await.unwrap();
        let known = unit.delete_session(&user_session().id).await.unwrap();
        assert!(known);
        unit.sweep_sessions(later(60), 5).await.unwrap();
        unit.delete_consent(&grace, &app).await.unwrap();
        unit.delete_client(&app).await.unwrap();
        unit.take_due_for_deletion(NOW, 5).await.unwrap();
        let api = "https://api.example";
        unit.delete_resource_server(api).await.unwrap();
        assert!(unit.delete_user(&grace).await.unwrap());
        unit.delete_signing_key("k").await.unwrap();
        unit.delivered("m").await.unwrap();
    });
}

fn user_session() -> UserSession {
    UserSession {
        id: SessionId::new("of-grace"),
        user: user_id("grace"),
        security_version: 3,
        started_at: NOW,
        seen_at: NOW,
        expires_at: later(600),
        address: Some("192.0.2.0".to_owned()),
        agent: Some("curl/8".to_owned()),
        client: None,
    }
}

fn touched(session: &UserSession) -> Touched<'_> {
    Touched {
        id: &session.id,
        security_version: session.security_version,
        seen_at: session.seen_at,
        expires_at: session.expires_at,
    }
}

fn resource_server() -> ResourceServer {
    ResourceServer {
        identifier: "https://api.example".to_owned(),
        name: "API".to_owned(),
        scope: "openid".parse().unwrap(),
        access_token_format: None,
        introspection_client: None,
    }
}

fn consent() -> Consent {
    Consent {
        claims: ["birthdate".to_owned()].into(),
        user: user_id("grace"),
        client: ClientId::new("app"),
        scope: "openid".parse().unwrap(),
        granted_at: NOW,
    }
}

fn key() -> ServerKey {
    ServerKey {
        kid: "k".to_owned(),
        algorithm: SigningAlgorithm::Es256.into(),
        generation: 1,
        sealed_private: vec![1],
        public_jwk: json!({}),
        published_at: NOW,
        active_at: NOW,
        retires_at: NOW,
        dead_at: NOW,
    }
}

fn event() -> AuditEvent {
    AuditEvent {
        id: "e".to_owned(),
        at: NOW,
        kind: EventKind::LoginSucceeded,
        by: None,
        user: None,
        client: None,
        grant: None,
        address: None,
        trace: None,
        detail: json!({}),
    }
}

fn message() -> OutboxMessage {
    OutboxMessage {
        id: "m".to_owned(),
        kind: OutboxKind::Mail,
        payload: json!({}),
        due_at: NOW,
        attempts: 0,
    }
}
