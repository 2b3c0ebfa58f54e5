//! Users and their passwords.

use countersign::{
    application::ports::{Store as _, StoreError, UserName},
    domain::user::{Address, Email, PasswordHash, Profile, User, UserStatus, Username},
};

use super::records::{NOW, begin, commit, later, page, user};
use crate::support::sql::TestDatabase;

pub(super) async fn a_user_is_read_as_they_were_added(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| unit.add_user(&user("grace")).await.unwrap());
    let found = store.reader().user(&user("grace").id).await.unwrap();
    assert_eq!(found, Some(user("grace")));
}

pub(super) async fn a_user_without_optional_properties_is_read_as_they_were_added(
    database: &TestDatabase,
) {
    let store = database.store().await;
    let bare = User {
        email: None,
        email_verified: false,
        profile: Profile::default(),
        status: UserStatus::Inactive,
        ..user("grace")
    };
    commit!(store, |unit| unit.add_user(&bare).await.unwrap());
    assert_eq!(store.reader().user(&bare.id).await.unwrap(), Some(bare));
}

pub(super) async fn an_update_stores_every_property_of_a_user(database: &TestDatabase) {
    let store = database.store().await;
    let changed = User {
        id: user("grace").id,
        email_verified: false,
        profile: Profile {
            nickname: Some("Amazing".to_owned()),
            address: Some(Address {
                country: Some("DE".to_owned()),
                ..Address::default()
            }),
            ..Profile::default()
        },
        status: UserStatus::Inactive,
        not_before: later(1),
        created_at: later(2),
        updated_at: later(3),
        ..user("hopper")
    };
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.add_user(&user("other")).await.unwrap();
        unit.update_user(&changed).await.unwrap();
    });
    let found = store.reader().user(&changed.id).await.unwrap();
    assert_eq!(found, Some(changed));
    let other = store.reader().user(&user("other").id).await.unwrap();
    assert_eq!(other, Some(user("other")));
}

pub(super) async fn usernames_and_addresses_are_unique(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.add_user(&user("alan")).await.unwrap();
    });
    let same_name = User {
        username: user("grace").username,
        ..user("other")
    };
    let same_address = User {
        email: user("grace").email,
        ..user("other")
    };
    for (taken, property) in [(&same_name, "username"), (&same_address, "email")] {
        let added = begin(&store).await.add_user(taken).await;
        assert!(
            matches!(added, Err(StoreError::Conflict(name)) if name == property),
            "{added:?}"
        );
        let moved = User {
            id: user("alan").id,
            ..taken.clone()
        };
        let updated = begin(&store).await.update_user(&moved).await;
        assert!(
            matches!(updated, Err(StoreError::Conflict(name)) if name == property),
            "{updated:?}"
        );
    }
}

pub(super) async fn many_users_may_have_no_address(database: &TestDatabase) {
    let store = database.store().await;
    for name in ["grace", "alan"] {
        let bare = User {
            email: None,
            ..user(name)
        };
        commit!(store, |unit| unit.add_user(&bare).await.unwrap());
    }
    let users = store.reader().users(&page(None, 10)).await.unwrap();
    assert_eq!(users.len(), 2);
}

pub(super) async fn a_user_logs_in_by_username_or_address(database: &TestDatabase) {
    let store = database.store().await;
    let hash = PasswordHash::new("$argon2id$grace");
    commit!(store, |unit| {
        unit.add_user(&user("alan")).await.unwrap();
        unit.add_user(&user("grace")).await.unwrap();
        unit.set_password(&user("grace").id, &hash, NOW)
            .await
            .unwrap();
    });
    let reader = store.reader();
    for name in ["grace", "grace@example.com"] {
        let found = reader.user_by_login(name).await.unwrap();
        assert_eq!(found, Some((user("grace"), Some(hash.clone()))), "{name}");
    }
    let without = reader.user_by_login("alan").await.unwrap();
    assert_eq!(without, Some((user("alan"), None)));
    assert_eq!(reader.user_by_login("ada").await.unwrap(), None);
    assert_eq!(reader.user_by_login("ada@example.com").await.unwrap(), None);
}

/// Whoever could register an address as a username would log in to somebody else's account, or keep
/// them out of it.
pub(super) async fn a_username_is_not_found_as_an_address(database: &TestDatabase) {
    let store = database.store().await;
    let odd = User {
        username: Username::parse("mail.example").unwrap(),
        email: Some(Email::parse("x@mail.example").unwrap()),
        ..user("grace")
    };
    commit!(store, |unit| unit.add_user(&odd).await.unwrap());
    let reader = store.reader();
    for name in [
        "x",
        "@mail.example",
        "x@",
        "X@mail.example",
        "x@mail_example",
        "%@mail.example",
    ] {
        assert_eq!(reader.user_by_login(name).await.unwrap(), None, "{name}");
    }
}

pub(super) async fn a_new_password_replaces_the_old_one(database: &TestDatabase) {
    let store = database.store().await;
    commit!(store, |unit| unit.add_user(&user("grace")).await.unwrap());
    for text in ["$argon2id$old", "$argon2id$new"] {
        let hash = PasswordHash::new(text);
        commit!(store, |unit| unit
            .set_password(&user("grace").id, &hash, NOW)
            .await
            .unwrap());
        let found = store.reader().user_by_login("grace").await.unwrap();
        assert_eq!(found, Some((user("grace"), Some(hash))));
    }
}

pub(super) async fn users_are_listed_by_username_page_by_page(database: &TestDatabase) {
    let store = database.store().await;
    // Not the order of any human language: byte by byte, the same on every database.
    let ordered = ["a", "a-b", "a1", "ab", "b", "z", "\u{e4}"];
    for name in ["z", "a1", "\u{e4}", "b", "a", "ab", "a-b"] {
        let added = User {
            email: None,
            ..user(name)
        };
        commit!(store, |unit| unit.add_user(&added).await.unwrap());
    }
    let mut listed: Vec<String> = Vec::new();
    loop {
        let after = listed.last().cloned();
        let users = store.reader().users(&page(after.as_deref(), 3)).await;
        let users = users.unwrap();
        assert!(users.len() <= 3);
        if users.is_empty() {
            break;
        }
        listed.extend(users.iter().map(|user| user.username.as_str().to_owned()));
    }
    assert_eq!(listed, ordered);
}

pub(super) async fn users_are_found_by_the_beginning_of_a_name_page_by_page(
    database: &TestDatabase,
) {
    let store = database.store().await;
    for name in ["grace", "gr", "hopper", "g%", "grant", "gs"] {
        let added = User {
            email: Some(Email::parse(&format!("x{name}@example.com")).unwrap()),
            ..user(name)
        };
        commit!(store, |unit| unit.add_user(&added).await.unwrap());
    }
    let names = async |name, beginning: &str, after: Option<&str>, limit| {
        let page = page(after, limit);
        let users = store.reader().users_by_name(name, beginning, &page).await;
        let users = users.unwrap();
        users
            .iter()
            .map(|user| name.of(user).unwrap())
            .collect::<Vec<_>>()
    };
    let all = names(UserName::Username, "gr", None, 10).await;
    assert_eq!(all, ["gr", "grace", "grant"]);
    assert_eq!(
        names(UserName::Username, "gr", None, 2).await,
        ["gr", "grace"]
    );
    assert_eq!(
        names(UserName::Username, "gr", Some("grace"), 1).await,
        ["grant"]
    );
    assert_eq!(names(UserName::Username, "g%", None, 10).await, ["g%"]);
    assert_eq!(
        names(UserName::Email, "xho", None, 10).await,
        ["xhopper@example.com"]
    );
    assert!(names(UserName::Email, "ho", None, 10).await.is_empty());
    assert!(names(UserName::Username, "g\0", None, 10).await.is_empty());
}
