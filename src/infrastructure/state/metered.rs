//! A state store whose operations are measured.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    application::ports::state::{StateError, StateKey, StateStore},
    metrics,
};

/// Passes every operation on and measures it.
pub struct Metered<S>(pub S);

#[async_trait]
impl<S: StateStore> StateStore for Metered<S> {
    async fn put(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<(), StateError> {
        metrics::state("put", self.0.put(key, value, ttl)).await
    }

    async fn add(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<bool, StateError> {
        metrics::state("add", self.0.add(key, value, ttl)).await
    }

    async fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError> {
        metrics::state("get", self.0.get(key)).await
    }

    async fn get_many(&self, keys: &[StateKey]) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        metrics::state("get_many", self.0.get_many(keys)).await
    }

    async fn swap(
        &self,
        key: &StateKey,
        value: &[u8],
        ttl: Duration,
    ) -> Result<Option<Vec<u8>>, StateError> {
        metrics::state("swap", self.0.swap(key, value, ttl)).await
    }

    async fn replace(
        &self,
        key: &StateKey,
        expected: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, StateError> {
        metrics::state("replace", self.0.replace(key, expected, value, ttl)).await
    }

    async fn delete(&self, key: &StateKey) -> Result<bool, StateError> {
        metrics::state("delete", self.0.delete(key)).await
    }

    async fn count(
        &self,
        key: &StateKey,
        events: u64,
        window: Duration,
    ) -> Result<u64, StateError> {
        metrics::state("hit", self.0.count(key, events, window)).await
    }

    /// Costs no round trip, so it is not measured.
    async fn incarnation(&self) -> Result<Arc<str>, StateError> {
        self.0.incarnation().await
    }
}
