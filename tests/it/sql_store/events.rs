//! The audit trail and the outbox.

use std::{collections::HashSet, sync::Arc};

use countersign::{
    application::ports::{Backlog, OutboxFilter, Store as _},
    domain::{
        event::{AuditEvent, EventKind, OutboxKind, OutboxMessage},
        id::{ClientId, GrantId},
        time::Timestamp,
    },
};
use serde_json::json;
use tokio::task::JoinSet;

use super::records::{NOW, commit, later, page, user_id};
use crate::support::sql::TestDatabase;

fn event(id: &str) -> AuditEvent {
    AuditEvent {
        id: id.to_owned(),
        at: NOW,
        kind: EventKind::GrantIssued,
        by: None,
        user: Some(user_id("grace")),
        client: Some(ClientId::new("app")),
        grant: Some(GrantId::new("g")),
        address: Some("192.0.2.1".to_owned()),
        trace: Some("t".to_owned()),
        detail: json!({"scope": "openid", "odd": "\0"}),
    }
}

fn message(id: &str, due: i64) -> OutboxMessage {
    OutboxMessage {
        id: id.to_owned(),
        kind: OutboxKind::Mail,
        payload: json!({"to": "grace@example.com"}),
        due_at: later(due),
        attempts: 0,
    }
}

pub(super) async fn an_event_is_read_as_it_was_recorded(database: &TestDatabase) {
    let store = database.store().await;
    let bare = AuditEvent {
        user: None,
        client: None,
        grant: None,
        address: None,
        trace: None,
        ..event("2")
    };
    commit!(store, |unit| {
        unit.record(&event("1")).await.unwrap();
        unit.record(&bare).await.unwrap();
    });
    let events = store.reader().events(&page(None, 10)).await.unwrap();
    assert_eq!(events, [event("1"), bare]);
}

pub(super) async fn events_are_listed_in_the_order_of_time_page_by_page(database: &TestDatabase) {
    let store = database.store().await;
    for id in ["3", "1", "2"] {
        commit!(store, |unit| unit.record(&event(id)).await.unwrap());
    }
    let reader = store.reader();
    let first = reader.events(&page(None, 2)).await.unwrap();
    assert_eq!(first, [event("1"), event("2")]);
    let rest = reader.events(&page(Some("2"), 2)).await.unwrap();
    assert_eq!(rest, [event("3")]);
}

/// An event of this moment with an identifier as the application makes them.
fn event_at(seconds: i64, trace: &str) -> AuditEvent {
    let at = later(seconds);
    let millis = u64::try_from(at.0).unwrap() * 1000;
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]);
    AuditEvent {
        at,
        trace: Some(trace.to_owned()),
        ..event(&id.into_uuid().to_string())
    }
}

pub(super) async fn the_events_of_a_trace_are_found_among_those_since_a_moment(
    database: &TestDatabase,
) {
    let store = database.store().await;
    let (old, first, last) = (event_at(-9, "t"), event_at(0, "t"), event_at(1, "t"));
    let events = [&last, &old, &event_at(2, "other"), &first].map(Clone::clone);
    commit!(store, |unit| unit.record_all(&events).await.unwrap());
    let found = async |trace: &str, since: i64, limit: u64| {
        let reader = store.reader();
        let found = reader.events_of_trace(trace, later(since), limit).await;
        found.unwrap()
    };
    assert_eq!(found("t", 0, 9).await, [first.clone(), last.clone()]);
    assert_eq!(found("t", -9, 9).await, [old, first, last]);
    assert_eq!(found("t", -9, 2).await.len(), 2);
    assert_eq!(found("t", 2, 9).await, []);
    assert_eq!(found("t\0", 0, 9).await, []);
}

pub(super) async fn the_sweep_removes_a_limited_number_of_old_events(database: &TestDatabase) {
    let store = database.store().await;
    let events = [3, 1, 2, 4].map(|second| event_at(second, "t"));
    commit!(store, |unit| unit.record_all(&events).await.unwrap());
    let sweep = async |before: i64, limit: u64| {
        commit!(store, |unit| unit
            .sweep_events(later(before), limit)
            .await
            .unwrap())
    };
    assert_eq!(sweep(1, 9).await, 0, "the second itself is kept");
    assert_eq!(sweep(4, 2).await, 2);
    let left = store.reader().events(&page(None, 9)).await.unwrap();
    assert_eq!(
        left,
        [event_at(3, "t"), event_at(4, "t")],
        "the oldest went"
    );
    assert_eq!(sweep(4, 2).await, 1);
    assert_eq!(sweep(4, 2).await, 0);
}

pub(super) async fn c018_a_nul_does_not_keep_an_event_out_of_the_trail(database: &TestDatabase) {
    let store = database.store().await;
    let odd = AuditEvent {
        client: Some(ClientId::new("a\0b")),
        ..event("1")
    };
    commit!(store, |unit| unit.record(&odd).await.unwrap());
    let events = store.reader().events(&page(None, 10)).await.unwrap();
    assert_eq!(events[0].client, Some(ClientId::new("a\u{fffd}b")));
}

pub(super) async fn what_has_not_left_is_counted_up_to_a_limit(database: &TestDatabase) {
    let store = database.store().await;
    let count = async |limit| store.reader().backlog(limit).await.unwrap();
    assert_eq!(count(9).await, Backlog::default());
    let oldest = event_at(-9, "t").id;
    let never = OutboxMessage {
        due_at: Timestamp(i64::MAX),
        ..message("given up", 0)
    };
    commit!(store, |unit| {
        unit.enqueue(&message(&oldest, 60)).await.unwrap();
        unit.enqueue(&message(&event_at(-3, "t").id, 0))
            .await
            .unwrap();
        unit.enqueue(&never).await.unwrap();
    });
    let all = Backlog {
        pending: 2,
        dead: 1,
        oldest: Some(later(-9)),
    };
    assert_eq!(count(9).await, all);
    let one = count(1).await;
    assert_eq!((one.pending, one.dead), (1, 1));
}

pub(super) async fn what_is_due_is_claimed_and_counted(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        unit.enqueue(&message("due", 0)).await.unwrap();
        unit.enqueue(&message("later", 1)).await.unwrap();
    });
    let claim = async |at: i64, retry: i64| {
        commit!(store, |unit| unit
            .claim_due(OutboxKind::Mail, later(at), later(retry), 10)
            .await
            .unwrap())
    };
    let claimed = |attempts, due| OutboxMessage {
        attempts,
        ..message("due", due)
    };
    assert_eq!(claim(0, 60).await, [claimed(1, 60)]);
    assert_eq!(claim(0, 60).await, []);
    let mut again = claim(60, 120).await;
    again.sort_by(|one, other| one.id.cmp(&other.id));
    let first_of_later = OutboxMessage {
        attempts: 1,
        ..message("later", 120)
    };
    assert_eq!(again, [claimed(2, 120), first_of_later]);
}

pub(super) async fn the_oldest_messages_are_claimed_first(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        for (id, due) in [("c", -1), ("a", -2), ("b", -3)] {
            unit.enqueue(&message(id, due)).await.unwrap();
        }
    });
    let claimed = commit!(store, |unit| unit
        .claim_due(OutboxKind::Mail, NOW, later(60), 2)
        .await
        .unwrap());
    let ids: Vec<&str> = claimed.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["b", "a"]);
}

pub(super) async fn no_message_is_claimed_twice(database: &TestDatabase) {
    let store = Arc::new(database.store().await);
    commit!(store, |unit| {
        for number in 0..60 {
            let message = message(&format!("m{number}"), 0);
            unit.enqueue(&message).await.unwrap();
        }
    });
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            commit!(*store, |unit| unit
                .claim_due(OutboxKind::Mail, NOW, later(60), 7)
                .await
                .unwrap())
        });
    }
    let claims = tasks.join_all().await;
    assert!(claims.iter().all(|claim| claim.len() <= 7));
    let total = claims.iter().flatten().count();
    let distinct: HashSet<&str> = claims.iter().flatten().map(|m| m.id.as_str()).collect();
    assert_eq!(total, distinct.len());
    // A claim that skipped what another was about to take may have come away with less.
    let rest = commit!(store, |unit| unit
        .claim_due(OutboxKind::Mail, NOW, later(60), 60)
        .await
        .unwrap());
    assert_eq!(total + rest.len(), 60);
}

pub(super) async fn a_delivered_message_is_gone(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        unit.enqueue(&message("a", 0)).await.unwrap();
        unit.enqueue(&message("b", 0)).await.unwrap();
        unit.delivered("a").await.unwrap();
    });
    let claimed = commit!(store, |unit| unit
        .claim_due(OutboxKind::Mail, NOW, later(60), 10)
        .await
        .unwrap());
    let ids: Vec<&str> = claimed.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["b"]);
}

pub(super) async fn a_message_that_was_given_up_is_seen_and_revived(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| unit.enqueue(&message("a", 0)).await.unwrap());
    let claim = async |at: i64| {
        commit!(store, |unit| unit
            .claim_due(OutboxKind::Mail, later(at), later(at + 60), 10)
            .await
            .unwrap())
    };
    let claimed = claim(0).await.remove(0);
    assert!(commit!(store, |unit| unit
        .bury(&claimed, later(1), "no such\0user")
        .await
        .unwrap()));
    assert_eq!(claim(1_000_000).await, []);
    assert!(commit!(store, |unit| !unit
        .has_due(OutboxKind::Mail, later(1_000_000))
        .await
        .unwrap()));
    let dead = store
        .reader()
        .outbox(OutboxFilter::Dead, &page(None, 10))
        .await
        .unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].dead_at, Some(later(1)));
    assert_eq!(dead[0].error.as_deref(), Some("no such\u{fffd}user"));
    assert!(commit!(store, |unit| unit
        .revive("a", later(2))
        .await
        .unwrap()));
    assert!(!commit!(store, |unit| unit
        .revive("a", later(2))
        .await
        .unwrap()));
    let again = claim(2).await;
    assert_eq!((again.len(), again[0].attempts), (1, 1));
    let dead = store
        .reader()
        .outbox(OutboxFilter::Dead, &page(None, 10))
        .await
        .unwrap();
    assert_eq!(dead, []);
}

pub(super) async fn a_claim_that_was_taken_over_can_no_longer_put_a_message_off(
    database: &TestDatabase,
) {
    let store = database.store().await;
    commit!(store, |unit| unit.enqueue(&message("a", 0)).await.unwrap());
    let claim = async |at: i64| {
        commit!(store, |unit| unit
            .claim_due(OutboxKind::Mail, later(at), later(at + 60), 10)
            .await
            .unwrap())
        .remove(0)
    };
    let (slow, quick) = (claim(0).await, claim(60).await);
    assert!(!commit!(store, |unit| unit
        .postpone(&slow, later(0), "late")
        .await
        .unwrap()));
    assert!(!commit!(store, |unit| unit
        .bury(&slow, later(0), "late")
        .await
        .unwrap()));
    assert!(commit!(store, |unit| unit
        .postpone(&quick, later(500), "why")
        .await
        .unwrap()));
    let rows = store
        .reader()
        .outbox(OutboxFilter::All, &page(None, 10))
        .await
        .unwrap();
    assert_eq!(
        (rows[0].message.due_at, rows[0].message.attempts),
        (later(500), 2)
    );
}
