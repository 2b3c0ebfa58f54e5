//! Grants: single use and revocation.

use std::{collections::HashSet, sync::Arc};

use countersign::{
    application::ports::{RevokedGrant, Store as _},
    domain::{
        grant::{Grant, GrantRecord},
        id::{ClientId, GrantId, SessionId},
    },
    infrastructure::sql::SqlStore,
};
use tokio::task::JoinSet;

use super::records::{NOW, begin, commit, grant, later, page, user_id};
use crate::support::sql::TestDatabase;

async fn redeem(store: &SqlStore, grant: &Grant) -> bool {
    commit!(*store, |unit| unit
        .redeem_grant(grant, later(3600))
        .await
        .unwrap())
}

async fn revoke(store: &SqlStore, id: &GrantId, at: i64) -> bool {
    commit!(*store, |unit| unit
        .revoke_grant(id, &ClientId::new("app"), later(at))
        .await
        .unwrap())
}

async fn read(store: &SqlStore, id: &GrantId) -> Option<GrantRecord> {
    store.reader().grant(id).await.unwrap()
}

pub(super) async fn a_redeemed_grant_is_read_as_it_was_stored(database: &TestDatabase) {
    let store = database.store().await;
    let grant = grant("g", "grace", "app");
    assert!(redeem(&store, &grant).await);
    let record = GrantRecord {
        grant: grant.clone(),
        expires_at: later(3600),
        revoked_at: None,
    };
    assert_eq!(read(&store, &grant.id).await, Some(record));
    assert_eq!(read(&store, &GrantId::new("other")).await, None);
}

pub(super) async fn a_grant_without_a_user_is_stored_too(database: &TestDatabase) {
    let store = database.store().await;
    let own = Grant {
        owner: None,
        ..grant("g", "grace", "app")
    };
    assert!(redeem(&store, &own).await);
    let record = read(&store, &own.id).await.unwrap();
    assert_eq!(record.grant, own);
}

pub(super) async fn a_grant_is_redeemed_only_once(database: &TestDatabase) {
    let store = database.store().await;
    let first = grant("g", "grace", "app");
    let replay = grant("g", "mallory", "evil");
    assert!(redeem(&store, &first).await);
    assert!(!redeem(&store, &first).await);
    assert!(!redeem(&store, &replay).await);
    assert_eq!(read(&store, &first.id).await.unwrap().grant, first);
    assert!(revoke(&store, &first.id, 1).await);
    assert!(!redeem(&store, &first).await);
    let record = read(&store, &first.id).await.unwrap();
    assert_eq!(record.revoked_at, Some(later(1)));
}

pub(super) async fn a_grant_is_revoked_only_once_and_for_good(database: &TestDatabase) {
    let store = database.store().await;
    let grant = grant("g", "grace", "app");
    assert!(redeem(&store, &grant).await);
    assert!(revoke(&store, &grant.id, 1).await);
    assert!(!revoke(&store, &grant.id, 2).await);
    let record = read(&store, &grant.id).await.unwrap();
    assert_eq!(record.revoked_at, Some(later(1)));
    assert_eq!(record.grant, grant);
    assert_eq!(record.expires_at, later(3600));
}

pub(super) async fn a_grant_that_was_revoked_first_is_redeemed_as_revoked(database: &TestDatabase) {
    let store = database.store().await;
    let grant = grant("g", "grace", "app");
    assert!(revoke(&store, &grant.id, 1).await);
    assert_eq!(read(&store, &grant.id).await, None);
    assert!(!revoke(&store, &grant.id, 2).await);
    assert!(redeem(&store, &grant).await);
    let record = GrantRecord {
        grant: grant.clone(),
        expires_at: later(3600),
        revoked_at: Some(later(1)),
    };
    assert_eq!(read(&store, &grant.id).await, Some(record));
    assert!(!redeem(&store, &grant).await);
}

pub(super) async fn c044_of_fifty_redemptions_one_wins(database: &TestDatabase) {
    let store = Arc::new(database.store().await);
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let grant = grant("g", &format!("user-{number}"), "app");
            redeem(&store, &grant).await.then_some(grant)
        });
    }
    let winners: Vec<Grant> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let record = read(&store, &GrantId::new("g")).await.unwrap();
    assert_eq!(record.grant, winners[0]);
}

pub(super) async fn c044_however_redemption_and_revocation_race_the_grant_ends_revoked(
    database: &TestDatabase,
) {
    let store = Arc::new(database.store().await);
    for round in 0..20 {
        let grant = grant(&format!("g{round}"), "grace", "app");
        let (redeemed, revoked) = tokio::join!(
            tokio::spawn({
                let (store, grant) = (Arc::clone(&store), grant.clone());
                async move { redeem(&store, &grant).await }
            }),
            tokio::spawn({
                let (store, id) = (Arc::clone(&store), grant.id.clone());
                async move { revoke(&store, &id, 1).await }
            }),
        );
        assert!(redeemed.unwrap() && revoked.unwrap());
        let record = read(&store, &grant.id).await.unwrap();
        assert_eq!(record.revoked_at, Some(later(1)));
    }
}

pub(super) async fn all_grants_of_a_user_at_a_client_are_revoked(database: &TestDatabase) {
    let store = database.store().await;
    for (id, user, client) in [
        ("g1", "grace", "app"),
        ("g2", "grace", "app"),
        ("g3", "grace", "other"),
        ("g4", "alan", "app"),
    ] {
        assert!(redeem(&store, &grant(id, user, client)).await);
    }
    assert!(revoke(&store, &GrantId::new("g1"), 1).await);
    let app = ClientId::new("app");
    let revoked = commit!(store, |unit| unit
        .revoke_grants_of(&user_id("grace"), &app, later(2))
        .await
        .unwrap());
    assert_eq!(revoked, [revoked_grant("g2", "app")]);
    assert_eq!(revoked_at(&store).await, [Some(1), Some(2), None, None]);
}

pub(super) async fn all_grants_of_a_session_are_revoked(database: &TestDatabase) {
    let store = database.store().await;
    for (id, user, client) in [
        ("g1", "grace", "app"),
        ("g2", "grace", "app"),
        ("g3", "grace", "other"),
        ("g4", "alan", "app"),
    ] {
        assert!(redeem(&store, &grant(id, user, client)).await);
    }
    assert!(revoke(&store, &GrantId::new("g1"), 1).await);
    let session = SessionId::new("session-of-grace");
    let revoked = commit!(store, |unit| unit
        .revoke_grants_of_session(&session, later(2))
        .await
        .unwrap());
    assert_eq!(
        revoked.into_iter().collect::<HashSet<_>>(),
        [revoked_grant("g2", "app"), revoked_grant("g3", "other")].into()
    );
    assert_eq!(revoked_at(&store).await, [Some(1), Some(2), Some(2), None]);
}

fn revoked_grant(id: &str, client: &str) -> RevokedGrant {
    RevokedGrant {
        id: GrantId::new(id),
        client: ClientId::new(client),
    }
}

/// When g1 to g4 were revoked, in seconds from now.
async fn revoked_at(store: &SqlStore) -> Vec<Option<i64>> {
    let mut times = Vec::new();
    for id in ["g1", "g2", "g3", "g4"] {
        let record = read(store, &GrantId::new(id)).await.unwrap();
        times.push(record.revoked_at.map(|at| at.0 - NOW.0));
    }
    times
}

pub(super) async fn the_sweep_removes_a_limited_number_of_expired_grants(database: &TestDatabase) {
    let store = database.store().await;
    let app = ClientId::new("app");
    commit!(store, |unit| {
        for (id, expires) in [("old", 1), ("older", 0), ("oldest", -1), ("alive", 10)] {
            let grant = grant(id, "grace", "app");
            assert!(unit.redeem_grant(&grant, later(expires)).await.unwrap());
        }
        // Revoked, never redeemed: its mark goes too when no code can be alive.
        let mark = GrantId::new("mark");
        assert!(unit.revoke_grant(&mark, &app, NOW).await.unwrap());
    });
    let sweep = async |at: i64, limit: u64| {
        commit!(store, |unit| unit
            .sweep_grants(later(at), limit)
            .await
            .unwrap())
    };
    assert_eq!(sweep(10, 2).await, 2);
    assert_eq!(read(&store, &GrantId::new("oldest")).await, None);
    assert_eq!(read(&store, &GrantId::new("older")).await, None);
    assert!(read(&store, &GrantId::new("old")).await.is_some());
    assert_eq!(sweep(10, 10).await, 1);
    assert_eq!(sweep(10, 10).await, 0);
    assert!(read(&store, &GrantId::new("alive")).await.is_some());
    assert_eq!(sweep(1_000_000, 10).await, 2);
    let unit = begin(&store).await;
    let revoked_anew = unit.revoke_grant(&GrantId::new("mark"), &app, NOW).await;
    assert!(revoked_anew.unwrap());
}

pub(super) async fn grants_of_a_user_at_a_client_are_listed_page_by_page(database: &TestDatabase) {
    let store = database.store().await;
    for (id, user, client) in [
        ("b", "grace", "app"),
        ("a", "grace", "app"),
        ("c", "grace", "app"),
        ("d", "alan", "app"),
        ("e", "grace", "other"),
    ] {
        assert!(redeem(&store, &grant(id, user, client)).await);
    }
    assert!(revoke(&store, &GrantId::new("b"), 1).await);
    assert!(
        revoke(&store, &GrantId::new("f"), 1).await,
        "never redeemed"
    );
    let app = ClientId::new("app");
    let listed = async |after, limit| {
        let page = page(after, limit);
        let grace = user_id("grace");
        let records = store.reader().grants_of(&grace, &app, &page).await;
        let records = records.unwrap();
        let row = |record: &GrantRecord| {
            let id = record.grant.id.as_str().to_owned();
            (id, record.revoked_at.is_some())
        };
        records.iter().map(row).collect::<Vec<_>>()
    };
    let row = |id: &str, revoked| (id.to_owned(), revoked);
    assert_eq!(listed(None, 2).await, [row("a", false), row("b", true)]);
    assert_eq!(listed(Some("b"), 2).await, [row("c", false)]);
}
