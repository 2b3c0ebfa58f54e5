//! Roles, permissions and groups.

use countersign::{
    application::ports::{Store as _, StoreError},
    domain::role::{Authority, Role},
};

use super::records::{begin, commit, group, permission, role, user, user_id};
use crate::support::sql::TestDatabase;

pub(super) async fn a_role_is_read_as_it_was_added(database: &TestDatabase) {
    let store = database.store().await;
    let bare = Role {
        description: None,
        permissions: [].into(),
        ..role("guest")
    };
    commit!(store, |unit| {
        unit.add_role(&role("admin")).await.unwrap();
        unit.add_role(&bare).await.unwrap();
    });
    let reader = store.reader();
    let admin = reader.role_by_name("admin").await.unwrap();
    assert_eq!(admin, Some(role("admin")));
    assert_eq!(reader.role_by_name("guest").await.unwrap(), Some(bare));
    assert_eq!(reader.role_by_name("Admin").await.unwrap(), None);
}

pub(super) async fn role_and_group_names_are_unique(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        unit.add_role(&role("admin")).await.unwrap();
        unit.add_group(&group("staff", &[])).await.unwrap();
    });
    let mut same_role = role("admin");
    same_role.id = role("other").id;
    let added = begin(&store).await.add_role(&same_role).await;
    assert!(
        matches!(added, Err(StoreError::Conflict("role"))),
        "{added:?}"
    );
    let mut same_group = group("staff", &[]);
    same_group.id = group("other", &[]).id;
    let added = begin(&store).await.add_group(&same_group).await;
    assert!(
        matches!(added, Err(StoreError::Conflict("group"))),
        "{added:?}"
    );
}

pub(super) async fn an_update_replaces_description_and_permissions(database: &TestDatabase) {
    let store = database.store().await;
    let changed = Role {
        description: None,
        permissions: [permission("reports:read", None), permission("new", None)].into(),
        ..role("admin")
    };
    commit!(store, |unit| {
        unit.add_role(&role("admin")).await.unwrap();
        unit.add_role(&role("other")).await.unwrap();
        unit.update_role(&changed).await.unwrap();
    });
    let reader = store.reader();
    assert_eq!(reader.role_by_name("admin").await.unwrap(), Some(changed));
    let other = reader.role_by_name("other").await.unwrap();
    assert_eq!(other, Some(role("other")));
}

pub(super) async fn roles_are_listed_by_name(database: &TestDatabase) {
    let store = database.store().await;
    for name in ["viewer", "admin", "editor"] {
        commit!(store, |unit| unit.add_role(&role(name)).await.unwrap());
    }
    let roles = store.reader().roles().await.unwrap();
    assert_eq!(roles, [role("admin"), role("editor"), role("viewer")]);
}

pub(super) async fn a_group_is_read_as_it_was_added(database: &TestDatabase) {
    let store = database.store().await;
    let staff = group("staff", &[&role("editor"), &role("viewer")]);
    let nobody = group("nobody", &[]);
    commit!(store, |unit| {
        unit.add_role(&role("editor")).await.unwrap();
        unit.add_role(&role("viewer")).await.unwrap();
        unit.add_group(&staff).await.unwrap();
        unit.add_group(&nobody).await.unwrap();
    });
    let reader = store.reader();
    assert_eq!(reader.group_by_name("staff").await.unwrap(), Some(staff));
    assert_eq!(reader.group_by_name("nobody").await.unwrap(), Some(nobody));
    assert_eq!(reader.group_by_name("other").await.unwrap(), None);
}

pub(super) async fn authority_joins_own_roles_and_those_of_groups(database: &TestDatabase) {
    let store = database.store().await;
    let (own, shared, foreign) = (role("own"), role("shared"), role("foreign"));
    let staff = group("staff", &[&shared, &own]);
    let others = group("others", &[&foreign]);
    let empty = group("empty", &[]);
    commit!(store, |unit| {
        for name in ["grace", "alan"] {
            unit.add_user(&user(name)).await.unwrap();
        }
        for role in [&own, &shared, &foreign] {
            unit.add_role(role).await.unwrap();
        }
        for group in [&staff, &others, &empty] {
            unit.add_group(group).await.unwrap();
        }
        unit.assign_role(&user_id("grace"), &own.id).await.unwrap();
        for group in [&staff, &empty] {
            unit.join_group(&user_id("grace"), &group.id).await.unwrap();
        }
        unit.assign_role(&user_id("alan"), &foreign.id)
            .await
            .unwrap();
        unit.join_group(&user_id("alan"), &others.id).await.unwrap();
    });
    let authority = store.reader().authority(&user_id("grace")).await.unwrap();
    let expected = Authority {
        roles: ["own".to_owned(), "shared".to_owned()].into(),
        groups: ["empty".to_owned(), "staff".to_owned()].into(),
        permissions: own
            .permissions
            .union(&shared.permissions)
            .cloned()
            .collect(),
    };
    assert_eq!(authority, expected);
    let nobody = store.reader().authority(&user_id("nobody")).await.unwrap();
    assert_eq!(nobody, Authority::default());
}

pub(super) async fn assigning_twice_and_unassigning_the_unassigned_change_nothing(
    database: &TestDatabase,
) {
    let store = database.store().await;
    let (grace, admin) = (user("grace").id, role("admin"));
    let staff = group("staff", &[]);
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.add_role(&admin).await.unwrap();
        unit.add_group(&staff).await.unwrap();
        for _ in 0..2 {
            unit.assign_role(&grace, &admin.id).await.unwrap();
            unit.join_group(&grace, &staff.id).await.unwrap();
        }
    });
    let authority = store.reader().authority(&grace).await.unwrap();
    assert_eq!(authority.roles, ["admin".to_owned()].into());
    assert_eq!(authority.groups, ["staff".to_owned()].into());
    commit!(store, |unit| {
        for _ in 0..2 {
            unit.unassign_role(&grace, &admin.id).await.unwrap();
        }
    });
    let authority = store.reader().authority(&grace).await.unwrap();
    assert!(authority.roles.is_empty() && authority.permissions.is_empty());
}
