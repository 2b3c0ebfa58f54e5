//! Units of work and readers.

use std::sync::Arc;

use countersign::{
    application::ports::{
        AuditMut, ClientsMut, ConsentsMut, GrantsMut, KeysMut, OutboxMut, Page, Reader, RolesMut,
        Store as _, StoreError, UsersMut,
    },
    domain::{
        event::OutboxKind,
        id::{ClientId, GrantId, SessionId, UserId},
        role::Authority,
        time::Timestamp,
    },
};
use tokio::task::JoinSet;

use super::records::{NOW, begin, client, commit, page, user};
use crate::support::sql::TestDatabase;

/// Compiles only while [`Reader`] implements none of these: if it did, `found` would be ambiguous.
macro_rules! a_reader_has_none_of {
    ($($mutators:ident),+) => {
        $(const _: fn() = || {
            trait Found<Marker> {
                fn found() {}
            }
            impl<T: ?Sized> Found<()> for T {}
            struct Mutators;
            impl<T: ?Sized + $mutators> Found<Mutators> for T {}
            let _ = <dyn Reader as Found<_>>::found;
        };)+
    };
}

a_reader_has_none_of!(
    UsersMut,
    RolesMut,
    ClientsMut,
    ConsentsMut,
    GrantsMut,
    KeysMut,
    AuditMut,
    OutboxMut
);

pub(super) async fn a_dropped_unit_of_work_leaves_nothing(database: &TestDatabase) {
    let store = database.store().await;
    let unit = begin(&store).await;
    unit.add_user(&user("grace")).await.unwrap();
    unit.add_client(&client("app")).await.unwrap();
    drop(unit);
    // The next one may use the connection at once.
    commit!(store, |unit| {
        let found = unit.user(&user("grace").id).await.unwrap();
        assert_eq!(found, None);
        unit.add_user(&user("alan")).await.unwrap();
    });
    let users = store.reader().users(&page(None, 10)).await.unwrap();
    assert_eq!(users, [user("alan")]);
    let clients = store.reader().clients(&page(None, 10)).await.unwrap();
    assert_eq!(clients, []);
}

pub(super) async fn a_reader_sees_what_is_committed_and_nothing_else(database: &TestDatabase) {
    let store = database.store().await;
    let unit = begin(&store).await;
    unit.add_user(&user("grace")).await.unwrap();
    let before = store.reader().user(&user("grace").id).await.unwrap();
    assert_eq!(before, None);
    unit.commit().await.unwrap();
    let after = store.reader().user(&user("grace").id).await.unwrap();
    assert_eq!(after, Some(user("grace")));
}

pub(super) async fn a_unit_of_work_sees_its_own_changes(database: &TestDatabase) {
    let store = database.store().await;
    let unit = begin(&store).await;
    unit.add_user(&user("grace")).await.unwrap();
    let found = unit.user(&user("grace").id).await.unwrap();
    assert_eq!(found, Some(user("grace")));
}

pub(super) async fn a_unit_of_work_with_a_failure_is_not_committed(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| unit.add_user(&user("grace")).await.unwrap());
    let unit = begin(&store).await;
    unit.add_user(&user("alan")).await.unwrap();
    let again = unit.add_user(&user("grace")).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))));
    let committed = unit.commit().await;
    assert!(matches!(committed, Err(StoreError::Unavailable(_))));
    let users = store.reader().users(&page(None, 10)).await.unwrap();
    assert_eq!(users, [user("grace")]);
}

/// The pattern that fails with `SQLITE_BUSY` in transactions that take the write lock late.
pub(super) async fn fifty_units_of_work_that_read_and_write_lose_no_update(
    database: &TestDatabase,
) {
    let store = Arc::new(database.store().await);
    commit!(store, |unit| unit.add_client(&client("app")).await.unwrap());
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let name = format!("user-{number}");
            commit!(*store, |unit| {
                let missing = unit.user(&user(&name).id).await.unwrap();
                assert_eq!(missing, None);
                unit.add_user(&user(&name)).await.unwrap();
            });
        });
    }
    tasks.join_all().await;
    let users = store.reader().users(&page(None, 100)).await.unwrap();
    assert_eq!(users.len(), 50);
}

pub(super) async fn c018_a_nul_finds_nothing(database: &TestDatabase) {
    const NUL: &str = "app\0";
    let store = database.store().await;
    commit!(store, |unit| {
        unit.add_client(&client("app")).await.unwrap();
        unit.add_client(&client("apps")).await.unwrap();
    });
    let reader = store.reader();
    let (user, client_id) = (UserId::new(NUL), ClientId::new(NUL));
    assert_eq!(reader.user(&user).await.unwrap(), None);
    assert_eq!(reader.user_by_login(NUL).await.unwrap(), None);
    assert_eq!(reader.user_by_login("a@\0").await.unwrap(), None);
    assert_eq!(reader.client(&client_id).await.unwrap(), None);
    assert_eq!(reader.resource_server(NUL).await.unwrap(), None);
    assert_eq!(reader.consent(&user, &client_id).await.unwrap(), None);
    assert_eq!(reader.grant(&GrantId::new(NUL)).await.unwrap(), None);
    assert_eq!(reader.role_by_name(NUL).await.unwrap(), None);
    assert_eq!(reader.group_by_name(NUL).await.unwrap(), None);
    let authority = reader.authority(&user).await.unwrap();
    assert_eq!(authority, Authority::default());
    assert_eq!(reader.users(&page(Some(NUL), 9)).await.unwrap(), []);
    assert_eq!(reader.events(&page(Some(NUL), 9)).await.unwrap(), []);
    let clients = reader.clients(&page(Some(NUL), 9)).await.unwrap();
    assert_eq!(clients, [client("apps")]);
    commit!(store, |unit| {
        let id = GrantId::new(NUL);
        assert!(!unit.delete_client(&client_id).await.unwrap());
        assert!(!unit.delete_consent(&user, &client_id).await.unwrap());
        assert!(!unit.revoke_grant(&id, &client_id, NOW).await.unwrap());
        let revoked = unit.revoke_grants_of(&user, &client_id, NOW).await;
        assert_eq!(revoked.unwrap(), []);
        let session = SessionId::new(NUL);
        let revoked = unit.revoke_grants_of_session(&session, NOW).await;
        assert_eq!(revoked.unwrap(), []);
        unit.delete_signing_key(NUL).await.unwrap();
        unit.delivered(NUL).await.unwrap();
    });
}

pub(super) async fn an_extreme_page_limit_is_accepted(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| unit.add_client(&client("app")).await.unwrap());
    let everything = Page {
        after: None,
        limit: u64::MAX,
    };
    let clients = store.reader().clients(&everything).await.unwrap();
    assert_eq!(clients.len(), 1);
    let none = store.reader().clients(&page(None, 0)).await.unwrap();
    assert_eq!(none, []);
    commit!(store, |unit| {
        let end = Timestamp(i64::MAX);
        let claimed = unit
            .claim_due(OutboxKind::Mail, end, end, u64::MAX)
            .await
            .unwrap();
        assert_eq!(claimed, []);
        assert_eq!(unit.sweep_grants(end, u64::MAX).await.unwrap(), 0);
    });
}

pub(super) async fn the_store_answers_a_ping(database: &TestDatabase) {
    database.connect().await.ping().await.unwrap();
}
