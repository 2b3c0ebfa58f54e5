//! Roles, permissions and groups.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    application::ports::{Store as _, StoreError},
    domain::{
        role::{Authority, Group, Permission, Role},
        user::{User, UserStatus},
    },
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
        permissions: held_by(&[&own, &shared]),
        claims: [].into(),
    };
    assert_eq!(authority, expected);
    let nobody = store.reader().authority(&user_id("nobody")).await.unwrap();
    assert_eq!(nobody, Authority::default());
}

pub(super) async fn an_owner_is_an_active_user_who_holds_everything_everywhere(
    database: &TestDatabase,
) {
    let store = database.store().await;
    let owner = Role {
        permissions: [permission("*", None)].into(),
        ..role("owner")
    };
    let elsewhere = Role {
        permissions: [permission("*", Some("https://api.example"))].into(),
        ..role("elsewhere")
    };
    let outer = group("outer", &[&owner]);
    let inner = Group {
        parent: Some(outer.id.clone()),
        ..group("inner", &[])
    };
    commit!(store, |unit| {
        for name in ["grace", "alan"] {
            unit.add_user(&user(name)).await.unwrap();
        }
        for role in [&owner, &elsewhere] {
            unit.add_role(role).await.unwrap();
        }
        for group in [&outer, &inner] {
            unit.add_group(group).await.unwrap();
        }
        let alan = user_id("alan");
        unit.assign_role(&alan, &elsewhere.id).await.unwrap();
        assert!(!unit.has_owner().await.unwrap(), "it holds elsewhere only");
        unit.assign_role(&alan, &owner.id).await.unwrap();
        assert!(unit.has_owner().await.unwrap(), "by a role");
        let inactive = User {
            status: UserStatus::Inactive,
            ..user("alan")
        };
        unit.update_user(&inactive).await.unwrap();
        assert!(!unit.has_owner().await.unwrap(), "the account is locked");
        let grace = user_id("grace");
        unit.join_group(&grace, &inner.id).await.unwrap();
        assert!(unit.has_owner().await.unwrap(), "by the group around");
        unit.leave_group(&grace, &inner.id).await.unwrap();
        assert!(!unit.has_owner().await.unwrap());
    });
}

/// The permissions of these roles, with who has them.
fn held_by(roles: &[&Role]) -> BTreeMap<Permission, BTreeSet<String>> {
    let mut held: BTreeMap<Permission, BTreeSet<String>> = BTreeMap::new();
    for role in roles {
        for permission in &role.permissions {
            let holders = held.entry(permission.clone()).or_default();
            holders.insert(role.name.clone());
        }
    }
    held
}

pub(super) async fn authority_comes_from_the_groups_around_a_group(database: &TestDatabase) {
    let store = database.store().await;
    let (inner, outer) = (role("inner"), role("outer"));
    let company = group("company", &[&outer]);
    let team = Group {
        parent: Some(company.id.clone()),
        ..group("team", &[&inner])
    };
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.add_user(&user("alan")).await.unwrap();
        unit.add_role(&inner).await.unwrap();
        unit.add_role(&outer).await.unwrap();
        unit.add_group(&company).await.unwrap();
        unit.add_group(&team).await.unwrap();
        unit.join_group(&user_id("grace"), &team.id).await.unwrap();
        unit.join_group(&user_id("alan"), &company.id)
            .await
            .unwrap();
    });
    let reader = store.reader();
    let grace = reader.authority(&user_id("grace")).await.unwrap();
    assert_eq!(grace.roles, ["inner".to_owned(), "outer".to_owned()].into());
    assert_eq!(
        grace.groups,
        ["company".to_owned(), "team".to_owned()].into()
    );
    let alan = reader.authority(&user_id("alan")).await.unwrap();
    assert_eq!(alan.roles, ["outer".to_owned()].into());
    assert_eq!(alan.groups, ["company".to_owned()].into());
    assert_eq!(reader.groups().await.unwrap(), [company.clone(), team]);
    // A circle, which no use case makes, ends as well.
    let circle = Group {
        parent: Some(group("team", &[]).id),
        ..company.clone()
    };
    commit!(store, |unit| unit.update_group(&circle).await.unwrap());
    let grace = store.reader().authority(&user_id("grace")).await.unwrap();
    assert_eq!(grace.groups.len(), 2);
    commit!(store, |unit| assert!(
        unit.delete_group(&company.id).await.unwrap()
    ));
    let team = store.reader().group_by_name("team").await.unwrap().unwrap();
    assert_eq!(team.parent, None);
    commit!(store, |unit| unit
        .leave_group(&user_id("grace"), &team.id)
        .await
        .unwrap());
    let grace = store.reader().authority(&user_id("grace")).await.unwrap();
    assert_eq!(grace, Authority::default());
}

pub(super) async fn a_direct_claim_is_read_replaced_and_forgotten(database: &TestDatabase) {
    let store = database.store().await;
    let grace = user_id("grace");
    let value = serde_json::json!({ "number": 7, "name": "it's \"quoted\"" });
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.put_claim(&grace, "office", &serde_json::json!(1))
            .await
            .unwrap();
        unit.put_claim(&grace, "office", &value).await.unwrap();
    });
    let authority = store.reader().authority(&grace).await.unwrap();
    assert_eq!(authority.claims, [("office".to_owned(), value)].into());
    commit!(store, |unit| {
        assert!(unit.delete_claim(&grace, "office").await.unwrap());
        assert!(!unit.delete_claim(&grace, "office").await.unwrap());
    });
    let authority = store.reader().authority(&grace).await.unwrap();
    assert_eq!(authority, Authority::default());
}

pub(super) async fn a_role_that_goes_is_taken_from_whoever_has_it(database: &TestDatabase) {
    let store = database.store().await;
    let (admin, staff) = (role("admin"), group("staff", &[&role("admin")]));
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.add_role(&admin).await.unwrap();
        unit.add_group(&staff).await.unwrap();
        unit.assign_role(&user_id("grace"), &admin.id)
            .await
            .unwrap();
        assert!(unit.delete_role(&admin.id).await.unwrap());
        assert!(!unit.delete_role(&admin.id).await.unwrap());
    });
    let reader = store.reader();
    let grace = reader.authority(&user_id("grace")).await.unwrap();
    assert_eq!(grace, Authority::default());
    let staff = reader.group_by_name("staff").await.unwrap().unwrap();
    assert!(staff.roles.is_empty());
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
