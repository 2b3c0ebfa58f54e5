//! Consents.

use countersign::{
    application::ports::Store as _,
    domain::{consent::Consent, id::ClientId},
};

use super::records::{NOW, client, commit, later, user, user_id};
use crate::support::sql::TestDatabase;

fn consent() -> Consent {
    Consent {
        claims: ["birthdate".to_owned()].into(),
        user: user_id("grace"),
        client: ClientId::new("app"),
        scope: "openid profile".parse().unwrap(),
        granted_at: NOW,
    }
}

pub(super) async fn a_consent_replaces_the_earlier_one(database: &TestDatabase) {
    let store = database.store().await;
    let grown = Consent {
        scope: "openid profile email".parse().unwrap(),
        granted_at: later(5),
        ..consent()
    };
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.add_client(&client("app")).await.unwrap();
    });
    for consent in [consent(), grown] {
        commit!(store, |unit| unit.put_consent(&consent).await.unwrap());
        let found = store.reader().consent(&consent.user, &consent.client).await;
        assert_eq!(found.unwrap(), Some(consent));
    }
}

pub(super) async fn a_deleted_consent_is_gone(database: &TestDatabase) {
    let store = database.store().await;
    let Consent {
        user: owner,
        client: app,
        ..
    } = consent();
    commit!(store, |unit| {
        unit.add_user(&user("grace")).await.unwrap();
        unit.add_user(&user("alan")).await.unwrap();
        unit.add_client(&client("app")).await.unwrap();
        unit.put_consent(&consent()).await.unwrap();
        let other = Consent {
            user: user_id("alan"),
            ..consent()
        };
        unit.put_consent(&other).await.unwrap();
    });
    commit!(store, |unit| {
        assert!(unit.delete_consent(&owner, &app).await.unwrap());
        assert!(!unit.delete_consent(&owner, &app).await.unwrap());
    });
    let reader = store.reader();
    assert_eq!(reader.consent(&owner, &app).await.unwrap(), None);
    let other = reader.consent(&user_id("alan"), &app).await.unwrap();
    assert!(other.is_some());
}
