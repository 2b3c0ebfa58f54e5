//! Signing keys.

use std::sync::Arc;

use countersign::{
    application::ports::{Store as _, StoreError},
    domain::{algorithm::SigningAlgorithm, key::ServerKey},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::records::{begin, commit, later};
use crate::support::sql::TestDatabase;

fn key(kid: &str, algorithm: SigningAlgorithm, generation: i64) -> ServerKey {
    ServerKey {
        kid: kid.to_owned(),
        algorithm: algorithm.into(),
        generation,
        sealed_private: vec![0, 1, 0xff, 0],
        public_jwk: json!({"kty": "EC", "kid": kid}),
        published_at: later(1),
        active_at: later(2),
        retires_at: later(3),
        dead_at: later(4),
    }
}

pub(super) async fn a_key_is_read_as_it_was_added(database: &TestDatabase) {
    let store = database.store().await;
    let keys = [
        key("b", SigningAlgorithm::Es256, 9),
        key("c", SigningAlgorithm::Es256, 10),
        key("a", SigningAlgorithm::Rs256, 1),
    ];
    for key in keys.iter().rev() {
        assert!(commit!(store, |unit| unit
            .add_signing_key(key)
            .await
            .unwrap()));
    }
    assert_eq!(store.reader().signing_keys().await.unwrap(), keys);
}

pub(super) async fn c186_one_key_of_a_generation_is_kept(database: &TestDatabase) {
    let store = Arc::new(database.store().await);
    let mut tasks = JoinSet::new();
    for number in 0..10 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let key = key(&format!("key-{number}"), SigningAlgorithm::Es256, 1);
            let added = commit!(*store, |unit| unit.add_signing_key(&key).await.unwrap());
            added.then_some(key)
        });
    }
    let added: Vec<ServerKey> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(added.len(), 1);
    assert_eq!(store.reader().signing_keys().await.unwrap(), added);
}

pub(super) async fn a_key_identifier_is_unique(database: &TestDatabase) {
    let store = database.store().await;
    let (first, same) = (
        key("a", SigningAlgorithm::Es256, 1),
        key("a", SigningAlgorithm::Es256, 2),
    );
    assert!(commit!(store, |unit| unit
        .add_signing_key(&first)
        .await
        .unwrap()));
    let added = begin(&store).await.add_signing_key(&same).await;
    assert!(
        matches!(added, Err(StoreError::Conflict("kid"))),
        "{added:?}"
    );
}

pub(super) async fn times_are_stored_and_deleted_keys_are_gone(database: &TestDatabase) {
    let store = database.store().await;
    let (first, second) = (
        key("a", SigningAlgorithm::Es256, 1),
        key("b", SigningAlgorithm::Es256, 2),
    );
    let moved = ServerKey {
        published_at: later(11),
        active_at: later(12),
        retires_at: later(13),
        dead_at: later(14),
        ..first.clone()
    };
    commit!(store, |unit| {
        assert!(unit.add_signing_key(&first).await.unwrap());
        assert!(unit.add_signing_key(&second).await.unwrap());
        unit.set_signing_key_times(&moved).await.unwrap();
    });
    let keys = store.reader().signing_keys().await.unwrap();
    assert_eq!(keys, [moved, second.clone()]);
    commit!(store, |unit| unit.delete_signing_key("a").await.unwrap());
    assert_eq!(store.reader().signing_keys().await.unwrap(), [second]);
}
