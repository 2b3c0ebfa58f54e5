//! Changes of the directory, revocations, and what is written for many requests at once.

use countersign::{
    application::ports::{Change, Store as _},
    domain::{
        event::{AuditEvent, EventKind},
        id::ClientId,
    },
};
use serde_json::json;

use super::records::{NOW, begin, client, commit, grant, later, page, user, user_id};
use crate::support::sql::TestDatabase;

pub(super) async fn what_changes_in_the_directory_is_numbered_in_the_order_of_commits(
    database: &TestDatabase,
) {
    let store = std::sync::Arc::new(database.store().await);
    commit!(store, |unit| {
        for name in ["a", "b"] {
            unit.add_user(&user(name)).await.unwrap();
        }
    });
    let writers = (0..20).map(|at| {
        let store = store.clone();
        tokio::spawn(async move {
            let unit = begin(&store).await;
            let name = if at % 2 == 0 { "a" } else { "b" };
            unit.update_user(&user(name)).await.unwrap();
            // Whoever wrote first need not commit first.
            tokio::time::sleep(std::time::Duration::from_millis(at % 7)).await;
            unit.commit().await.unwrap();
        })
    });
    let writers: Vec<_> = writers.collect();
    // A reader that only ever asks for what comes after the last number misses nothing.
    let mut seen = Vec::new();
    let mut last = 0;
    while seen.len() < 20 {
        let changes = store.reader().changes_from(last + 1, 3).await.unwrap();
        last = changes.last().map_or(last, |change| change.seq);
        seen.extend(changes.into_iter().map(|change| change.change));
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.reader().latest_change().await.unwrap(), last);
    let of = |name: &str| Change::User(user_id(name));
    assert_eq!(seen.iter().filter(|change| **change == of("a")).count(), 10);
    assert_eq!(seen.iter().filter(|change| **change == of("b")).count(), 10);
}

pub(super) async fn additions_and_grants_are_no_change_of_the_directory(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.add_client(&client("app")).await.unwrap();
        unit.redeem_grant(&grant("g", "grace", "app"), later(60))
            .await
            .unwrap();
    });
    assert_eq!(store.reader().latest_change().await.unwrap(), 0);
    commit!(store, |unit| {
        unit.update_client(&client("app")).await.unwrap();
        unit.update_client(&client("app")).await.unwrap();
    });
    let changes = store.reader().changes_from(0, 9).await.unwrap();
    assert_eq!(changes.len(), 1, "once is enough");
    assert_eq!(changes[0].change, Change::Client(ClientId::new("app")));
}

pub(super) async fn what_is_rolled_back_has_not_changed(database: &TestDatabase) {
    let store = database.store().await;
    let unit = begin(&store).await;
    unit.update_user(&user("grace")).await.unwrap();
    drop(unit);
    assert_eq!(store.reader().latest_change().await.unwrap(), 0);
}

pub(super) async fn old_changes_are_swept_but_never_the_latest(database: &TestDatabase) {
    let store = database.store().await;
    for _ in 0..4 {
        commit!(store, |unit| unit.update_user(&user("a")).await.unwrap());
    }
    let latest = store.reader().latest_change().await.unwrap();
    let much_later = later(1_000_000_000);
    let swept = commit!(store, |unit| unit
        .sweep_changes(much_later, 2)
        .await
        .unwrap());
    assert_eq!(swept, 2);
    let swept = commit!(store, |unit| unit
        .sweep_changes(much_later, 9)
        .await
        .unwrap());
    assert_eq!(swept, 1);
    let left = store.reader().changes_from(0, 9).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].seq, latest);
}

pub(super) async fn a_revocation_is_found_until_it_is_swept(database: &TestDatabase) {
    let store = database.store().await;
    let ids = |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
    commit!(store, |unit| {
        unit.revoke_all(&[
            ("a".into(), NOW),
            ("b".into(), later(5)),
            ("a".into(), later(1)),
        ])
        .await
        .unwrap();
        unit.revoke_all(&[]).await.unwrap();
    });
    let reader = store.reader();
    assert!(reader.is_any_revoked(&ids(&["x", "a"])).await.unwrap());
    assert!(!reader.is_any_revoked(&ids(&["x"])).await.unwrap());
    assert!(!reader.is_any_revoked(&[]).await.unwrap());
    assert!(!reader.is_any_revoked(&ids(&["a\0"])).await.unwrap());
    commit!(store, |unit| unit
        .sweep_revocations(later(3), 9)
        .await
        .unwrap());
    assert!(!reader.is_any_revoked(&ids(&["a"])).await.unwrap());
    assert!(reader.is_any_revoked(&ids(&["b"])).await.unwrap());
}

pub(super) async fn many_events_and_grants_are_written_at_once(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        let revoked = countersign::domain::id::GrantId::new("revoked");
        unit.revoke_grant(&revoked, &ClientId::new("app"), NOW)
            .await
            .unwrap();
        unit.redeem_grant(&grant("old", "grace", "app"), later(60))
            .await
            .unwrap();
    });
    let grants = ["new", "old", "new", "revoked"].map(|id| grant(id, "grace", "app"));
    let grants = grants.each_ref().map(|grant| (grant, later(60)));
    let redeemed = commit!(store, |unit| unit.redeem_grants(&grants).await.unwrap());
    assert_eq!(redeemed, [true, false, false, true]);
    let events = (0..100).map(|at| AuditEvent {
        id: format!("{at:03}"),
        at: NOW,
        kind: EventKind::GrantIssued,
        by: None,
        user: None,
        client: None,
        grant: None,
        address: None,
        trace: None,
        detail: json!({}),
    });
    let events: Vec<_> = events.collect();
    commit!(store, |unit| {
        unit.record_all(&events).await.unwrap();
        unit.record_all(&[]).await.unwrap();
    });
    let read = store.reader().events(&page(None, 1000)).await.unwrap();
    assert_eq!(read, events);
}
