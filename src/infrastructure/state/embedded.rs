//! The state store for one node: fjall, a log-structured store inside the process.
//!
//! **Atomicity.** A change reads and writes under a lock of its key, on the thread that asks for
//! it: microseconds, and no hand-over. It is answered as soon as the operating system has it, which
//! survives the death of the process; what must survive a power cut ([`Kind::is_durable`]) waits for
//! one `fdatasync` of a thread beside, which serves all that wait.
//!
//! **Runtime.** Reads and writes run inline: live state is in memory or in the block cache, 1–2 µs,
//! and a miss reads one 4 KiB block.
//!
//! **Failure.** A disk that is full or broken makes every change fail, until the thread beside finds
//! that it can write again; then the journal is read anew and all goes on, without a restart.
//!
//! **Time.** Like a Redis server the store expires by its own clock. Every read checks; a sweep
//! once a minute gives the space back.
//!
//! [`Kind::is_durable`]: crate::application::ports::state::Kind::is_durable

mod complaint;
mod engine;
mod journal;
mod keeper;
mod opening;
mod records;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

pub use self::opening::{OpenError, hold, set_aside};
use self::{
    engine::Engine,
    keeper::Keeper,
    records::{Records, key_bytes, store_time},
};
use super::milliseconds;
use crate::{
    application::ports::{
        Rng as _,
        state::{StateError, StateKey, StateStore},
    },
    infrastructure::random::SystemRng,
};

/// A state store in a directory that belongs to this process alone.
pub struct EmbeddedStore {
    // First: it writes everything out before the tables are closed.
    keeper: Keeper,
    engine: Arc<Engine>,
    incarnation: Arc<str>,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, creating it (for this user only) if need be. Blocks while
    /// it recovers the journal. Dropping the store writes everything out and releases the
    /// directory.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let engine = opening::open(directory)?;
        let engine = Arc::new(engine);
        let keeper = Keeper::start(engine.clone()).map_err(|source| OpenError::Failed {
            directory: directory.to_owned(),
            source: source.into(),
        })?;
        Ok(Self {
            keeper,
            engine,
            incarnation: incarnation(),
        })
    }

    async fn write<T>(
        &self,
        key: &StateKey,
        change: impl FnOnce(&Records, &[u8]) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let bytes = key_bytes(key);
        let answer = self
            .engine
            .change(&bytes, |records| change(records, &bytes))?;
        if key.kind().is_durable() {
            self.keeper.synced().await?;
        } else {
            self.keeper.changed();
        }
        Ok(answer)
    }
}

#[async_trait]
impl StateStore for EmbeddedStore {
    async fn put(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<(), StateError> {
        self.write(key, move |records, key| {
            records.put(key, value, expiry(ttl), None)
        })
        .await
    }

    async fn add(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<bool, StateError> {
        self.write(key, move |records, key| {
            if records.live(key, store_time())?.is_some() {
                return Ok(false);
            }
            records.put(key, value, expiry(ttl), None)?;
            Ok(true)
        })
        .await
    }

    async fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError> {
        let found = self.get_many(std::slice::from_ref(key)).await?;
        Ok(found.into_iter().next().flatten())
    }

    async fn get_many(&self, keys: &[StateKey]) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let now = store_time();
        self.engine.read(|records| {
            let one = |key| Ok(records.live(&key_bytes(key), now)?.map(|entry| entry.value));
            keys.iter().map(one).collect()
        })
    }

    async fn swap(
        &self,
        key: &StateKey,
        value: &[u8],
        ttl: Duration,
    ) -> Result<Option<Vec<u8>>, StateError> {
        self.write(key, move |records, key| {
            let Some(old) = records.live(key, store_time())? else {
                return Ok(None);
            };
            records.put(key, value, expiry(ttl), Some(&old))?;
            Ok(Some(old.value))
        })
        .await
    }

    async fn replace(
        &self,
        key: &StateKey,
        expected: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, StateError> {
        self.write(key, move |records, key| {
            let old = records.live(key, store_time())?;
            if old.as_ref().is_none_or(|old| old.value != expected) {
                return Ok(false);
            }
            records.put(key, value, expiry(ttl), old.as_ref())?;
            Ok(true)
        })
        .await
    }

    async fn delete(&self, key: &StateKey) -> Result<bool, StateError> {
        self.write(key, |records, key| {
            let present = records.live(key, store_time())?.is_some();
            records.remove(key)?;
            Ok(present)
        })
        .await
    }

    async fn count(
        &self,
        key: &StateKey,
        events: u64,
        window: Duration,
    ) -> Result<u64, StateError> {
        self.write(key, move |records, key| {
            let old = records.live(key, store_time())?;
            let (count, expires) = match &old {
                Some(entry) => (decimal(&entry.value)?.saturating_add(events), entry.expires),
                None => (events, expiry(window)),
            };
            records.put(key, count.to_string().as_bytes(), expires, old.as_ref())?;
            Ok(count)
        })
        .await
    }

    async fn incarnation(&self) -> Result<Arc<str>, StateError> {
        Ok(self.incarnation.clone())
    }
}

/// A name that no other opening of any store has.
fn incarnation() -> Arc<str> {
    let mut random = [0; 16];
    SystemRng.fill(&mut random);
    let name = uuid::Builder::from_random_bytes(random).into_uuid();
    name.to_string().into()
}

fn expiry(ttl: Duration) -> u64 {
    store_time().saturating_add(milliseconds(ttl))
}

fn decimal(digits: &[u8]) -> Result<u64, StateError> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(StateError::Corrupt)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pace of upkeep, not a fact about any record"
)]
fn monotonic() -> Instant {
    Instant::now()
}
