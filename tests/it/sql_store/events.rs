//! The audit trail and the outbox.

use std::{collections::HashSet, sync::Arc};

use countersign::{
    application::ports::Store as _,
    domain::{
        event::{AuditEvent, EventKind, OutboxMessage},
        id::{ClientId, GrantId},
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
        kind: "mail".to_owned(),
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

pub(super) async fn what_is_due_is_claimed_and_counted(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        unit.enqueue(&message("due", 0)).await.unwrap();
        unit.enqueue(&message("later", 1)).await.unwrap();
    });
    let claim = async |at: i64, retry: i64| {
        commit!(store, |unit| unit
            .claim_due(later(at), later(retry), 10)
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
        .claim_due(NOW, later(60), 2)
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
                .claim_due(NOW, later(60), 7)
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
        .claim_due(NOW, later(60), 60)
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
        .claim_due(NOW, later(60), 10)
        .await
        .unwrap());
    let ids: Vec<&str> = claimed.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["b"]);
}
