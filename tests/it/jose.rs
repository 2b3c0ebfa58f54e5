//! Signing keys and signed tokens.

mod inbound;
mod keys;
mod registration;

use std::sync::Arc;

use countersign::{
    application::ports::{Clock as _, Rng, Store, TokenSigner as _},
    domain::{algorithm::SigningAlgorithm, time::Timestamp},
    infrastructure::{
        clock::TestClock,
        jose::{KeyError, KeyRing},
        kek::Kek,
        random::SystemRng,
    },
    protocol::jwks::KeyPolicy,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::sql::TestDatabase;

const NOW: Timestamp = Timestamp(1_700_000_000);

/// An installation: a database, a key directory and a clock that all its nodes share.
struct Site {
    database: TestDatabase,
    store: Arc<dyn Store>,
    keys: TempDir,
    clock: Arc<TestClock>,
}

impl Site {
    fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn new() -> Self {
        Self::on(TestDatabase::sqlite()).await
    }

    async fn on(database: TestDatabase) -> Self {
        Self {
            store: Arc::new(database.store().await),
            database,
            keys: tempfile::tempdir().unwrap(),
            clock: Arc::new(TestClock::at(NOW)),
        }
    }

    async fn node(&self) -> KeyRing {
        self.node_with(Arc::clone(&self.store)).await.unwrap()
    }

    async fn node_with(&self, store: Arc<dyn Store>) -> Result<KeyRing, KeyError> {
        let kek = Kek::load_or_create(self.keys.path(), &SystemRng).unwrap();
        let clock = Arc::clone(&self.clock);
        let rng: Arc<dyn Rng> = Arc::new(SystemRng);
        KeyRing::open(store, Arc::new(kek), clock, rng, KeyPolicy::default()).await
    }
}

/// The JWK Set that a node serves.
fn jwks(node: &KeyRing) -> Value {
    serde_json::from_slice(&node.jwks().body).unwrap()
}

/// The names of the keys of one algorithm in the JWK Set, newest first.
fn kids(node: &KeyRing, algorithm: SigningAlgorithm) -> Vec<String> {
    let jwks = jwks(node);
    let keys = jwks["keys"].as_array().unwrap().iter();
    keys.filter(|key| key["alg"] == algorithm.as_str())
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}
