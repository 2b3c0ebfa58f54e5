//! What clients publish, kept for a while by its address: one request fetches, the others wait for it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tokio::sync::Mutex;

use super::ports::{Clock, SendError};
use crate::domain::time::Timestamp;

/// So many addresses are remembered.
const ADDRESSES: usize = 1_000;

/// How long what was fetched is good for.
#[derive(Clone, Copy)]
pub(super) struct Freshness {
    /// Anything older is fetched again.
    pub age: Duration,
    /// Anything older is not used even if nothing newer is to be had.
    pub most: Duration,
    /// Between two tries, whatever anybody asks.
    pub pause: Duration,
}

/// Values by the addresses that they came from.
pub struct Fetched<T>(Cache<String, Arc<Mutex<Known<T>>>>);

impl<T> Default for Fetched<T> {
    fn default() -> Self {
        Self(Cache::new(ADDRESSES))
    }
}

/// What is known of one address.
struct Known<T> {
    value: Option<(Arc<T>, Timestamp)>,
    tried_at: Option<Timestamp>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            value: None,
            tried_at: None,
        }
    }
}

impl<T> Fetched<T> {
    /// What is at `uri`, as fresh as it is to be; nothing if it cannot be had.
    pub(super) async fn get(
        &self,
        uri: &str,
        (clock, freshness): (&dyn Clock, Freshness),
        fetch: impl Future<Output = Result<T, SendError>> + Send,
    ) -> Option<Arc<T>> {
        let slot = self
            .0
            .get_or_insert_with(uri, || Ok::<_, Infallible>(Arc::default()));
        let Ok(slot) = slot;
        let mut known = slot.lock().await;
        // Whoever waited looks at the clock now: what came meanwhile is not from the future.
        let now = clock.now();
        let is_within = |at: Timestamp, age: Duration| at <= now && now.since(at) < age;
        let is_fresh = known
            .value
            .as_ref()
            .is_some_and(|(_, at)| is_within(*at, freshness.age));
        let may_try = known
            .tried_at
            .is_none_or(|at| !is_within(at, freshness.pause));
        if !is_fresh && may_try {
            known.tried_at = Some(now);
            match fetch.await {
                Ok(value) => known.value = Some((Arc::new(value), now)),
                Err(error) => tracing::warn!(uri, %error, "an application's server brings nothing"),
            }
        }
        known
            .value
            .as_ref()
            .filter(|(_, at)| is_within(*at, freshness.most))
            .map(|(value, _)| value.clone())
    }
}
