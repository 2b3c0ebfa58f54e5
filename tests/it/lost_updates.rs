//! Two who change one record at the same moment: both changes stand afterwards. Records are stored as a
//! whole, so that one who read before the other stored would undo what the other did, even the locking
//! of an account. Hundreds of rounds with random offsets, on both databases.

use std::collections::BTreeSet;

use countersign::{
    application::{
        commands::{
            change_client::set_client_status,
            change_profile::change_profile,
            change_user::set_user_status,
            define_group::{DefineGroup, define_group, nest_group},
            define_role::{DefineRole, define_role, grant_permissions},
            edit_client::{Change, ClientEdit, edit_client},
            edit_user::{UserEdit, edit_user},
        },
        trail::Origin,
    },
    domain::{
        client::ClientStatus, id::ClientId, profile::ProfileField, role::Permission,
        user::UserStatus,
    },
};

use super::support::app::{Stage, TestApp, USERNAME, random_offset};

const ROUNDS: usize = 300;

async fn a_while() {
    tokio::time::sleep(random_offset()).await;
}

async fn a_profile_that_changes_unlocks_no_account(stage: Stage) {
    let app = TestApp::start(stage).await;
    let registrar = app.registrar();
    let ports = app.ports();
    let found = ports.store.reader().user_by_login(USERNAME).await.unwrap();
    let id = found.unwrap().0.id;
    for round in 0..ROUNDS {
        let status = if round % 2 == 0 {
            UserStatus::Inactive
        } else {
            UserStatus::Active
        };
        let nickname = format!("round-{round}");
        let changes = [(ProfileField::Nickname, Some(nickname.clone()))];
        let edit = UserEdit {
            profile: vec![(ProfileField::Gender, nickname.clone())],
            ..UserEdit::default()
        };
        let origin = Origin::default();
        let own = async {
            a_while().await;
            change_profile(ports, &id, &changes, &origin).await.unwrap();
        };
        let operators = async {
            a_while().await;
            edit_user(&registrar, USERNAME, edit).await.unwrap();
        };
        let lock = async {
            a_while().await;
            set_user_status(&registrar, USERNAME, status).await.unwrap();
        };
        tokio::join!(own, operators, lock);
        let user = ports.store.reader().user(&id).await.unwrap().unwrap();
        assert_eq!(user.status, status, "round {round}");
        let kept = [&user.profile.nickname, &user.profile.gender];
        assert_eq!(kept, [&Some(nickname.clone()), &Some(nickname)]);
        let expected = u64::try_from(round / 2 + 1).unwrap();
        assert_eq!(user.security_version, expected, "every end counts");
    }
}

async fn a_client_that_changes_is_not_enabled_by_it(stage: Stage) {
    let app = TestApp::start(stage).await;
    let registrar = app.registrar();
    let id = ClientId::new("web");
    for round in 0..ROUNDS {
        let status = if round % 2 == 0 {
            ClientStatus::Inactive
        } else {
            ClientStatus::Active
        };
        let limit = Some(u64::try_from(round).unwrap() + 1);
        let change = async {
            a_while().await;
            let edit = ClientEdit {
                requests_per_minute: Change::to(limit),
                ..ClientEdit::default()
            };
            edit_client(&registrar, &id, edit).await.unwrap();
        };
        let disable = async {
            a_while().await;
            set_client_status(&registrar, &id, status).await.unwrap();
        };
        tokio::join!(change, disable);
        let client = app.ports().store.reader().client(&id).await.unwrap();
        let client = client.unwrap();
        assert_eq!((client.status, client.requests_per_minute), (status, limit));
    }
}

async fn a_role_keeps_what_two_gave_it_and_no_two_groups_stand_in_each_other(stage: Stage) {
    let app = TestApp::start(stage).await;
    let registrar = app.registrar();
    let permission = |name: String| {
        BTreeSet::from([Permission {
            name,
            resource: None,
        }])
    };
    let role = DefineRole {
        name: "role".into(),
        description: None,
        permissions: BTreeSet::new(),
    };
    define_role(&registrar, role).await.unwrap();
    for round in 0..100 {
        let grant = async |side: &str| {
            a_while().await;
            let permissions = permission(format!("{side}:{round}"));
            grant_permissions(&registrar, "role", permissions)
                .await
                .unwrap();
        };
        tokio::join!(grant("a"), grant("b"));
        let (left, right) = (format!("left-{round}"), format!("right-{round}"));
        for name in [&left, &right] {
            let group = DefineGroup {
                name: name.clone(),
                roles: BTreeSet::new(),
                parent: None,
            };
            define_group(&registrar, group).await.unwrap();
        }
        let nest = async |group: &str, parent: &str| {
            a_while().await;
            nest_group(&registrar, group, Some(parent)).await
        };
        let outcomes = tokio::join!(nest(&left, &right), nest(&right, &left));
        assert_ne!(outcomes.0.is_ok(), outcomes.1.is_ok(), "exactly one");
    }
    let role = app.ports().store.reader().role_by_name("role").await;
    assert_eq!(role.unwrap().unwrap().permissions.len(), 200);
}

macro_rules! on_both_stages {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite_and_the_embedded_store() { super::$name(Stage::Embedded).await; }
            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres_and_redis() { super::$name(Stage::Servers).await; }
        })+
    };
}

on_both_stages!(
    a_profile_that_changes_unlocks_no_account,
    a_client_that_changes_is_not_enabled_by_it,
    a_role_keeps_what_two_gave_it_and_no_two_groups_stand_in_each_other,
);
