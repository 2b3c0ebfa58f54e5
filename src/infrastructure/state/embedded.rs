//! The state store for one node: fjall, a log-structured store inside the process.
//!
//! **Atomicity.** One thread makes every change, so nothing can come between its read and its
//! write. It takes what is queued as one batch, answers each change as soon as the operating system
//! has it, which survives the death of the process, and lets those that must survive a power cut
//! ([`Kind::is_durable`]) wait for one `fdatasync` that serves the whole batch.
//!
//! **Runtime.** A write is microseconds, but the disk may take milliseconds to sync and the store
//! may stall while it flushes; the thread keeps both away from the async workers. Reads run inline:
//! live state is in memory or in the block cache, 1–2 µs, and a miss reads one 4 KiB block.
//!
//! **Time.** Like a Redis server the store expires by its own clock. Every read checks; a sweep
//! once a minute gives the space back.
//!
//! [`Kind::is_durable`]: crate::application::ports::state::Kind::is_durable

mod records;
mod writer;

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use self::{
    records::{Records, key_bytes, store_time},
    writer::Writer,
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
    records: Records,
    writer: Writer,
    incarnation: Arc<str>,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, creating it (for this user only) if need be. Blocks while
    /// it recovers the journal. Dropping the store writes everything out and releases the
    /// directory.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Failed {
            directory: directory.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| failed(error.into()))?;
        let records = Records::open(directory).map_err(|error| {
            if matches!(error, fjall::Error::Locked) {
                OpenError::Locked {
                    directory: directory.to_owned(),
                }
            } else {
                failed(error.into())
            }
        })?;
        let writer = Writer::start(records.clone()).map_err(|error| failed(error.into()))?;
        Ok(Self {
            records,
            writer,
            incarnation: incarnation(),
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        key: &StateKey,
        change: impl FnOnce(&Records, &[u8]) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let bytes = key_bytes(key);
        let change = move |records: &Records| change(records, &bytes);
        if key.kind().is_durable() {
            self.writer.change_durably(change).await
        } else {
            self.writer.change(change).await
        }
    }
}

#[async_trait]
impl StateStore for EmbeddedStore {
    async fn put(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<(), StateError> {
        let value = value.to_vec();
        self.write(key, move |records, key| {
            records.put(key, &value, expiry(ttl))
        })
        .await
    }

    async fn add(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<bool, StateError> {
        let value = value.to_vec();
        self.write(key, move |records, key| {
            if records.live(key, store_time())?.is_some() {
                return Ok(false);
            }
            records.put(key, &value, expiry(ttl))?;
            Ok(true)
        })
        .await
    }

    async fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError> {
        let entry = self.records.live(&key_bytes(key), store_time())?;
        Ok(entry.map(|entry| entry.value))
    }

    async fn get_many(&self, keys: &[StateKey]) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let now = store_time();
        let one = |key| {
            let entry = self.records.live(&key_bytes(key), now)?;
            Ok(entry.map(|entry| entry.value))
        };
        keys.iter().map(one).collect()
    }

    async fn swap(
        &self,
        key: &StateKey,
        value: &[u8],
        ttl: Duration,
    ) -> Result<Option<Vec<u8>>, StateError> {
        let value = value.to_vec();
        self.write(key, move |records, key| {
            let Some(old) = records.live(key, store_time())? else {
                return Ok(None);
            };
            records.put(key, &value, expiry(ttl))?;
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
        let (expected, value) = (expected.to_vec(), value.to_vec());
        self.write(key, move |records, key| {
            let old = records.live(key, store_time())?;
            if old.is_none_or(|old| old.value != expected) {
                return Ok(false);
            }
            records.put(key, &value, expiry(ttl))?;
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

    async fn hit(&self, key: &StateKey, window: Duration) -> Result<u64, StateError> {
        self.write(key, move |records, key| {
            let (count, expires) = match records.live(key, store_time())? {
                Some(entry) => (decimal(&entry.value)?.saturating_add(1), entry.expires),
                None => (1, expiry(window)),
            };
            records.put(key, count.to_string().as_bytes(), expires)?;
            Ok(count)
        })
        .await
    }

    async fn incarnation(&self) -> Result<Arc<str>, StateError> {
        Ok(self.incarnation.clone())
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the directory.
    #[error(
        "the state directory {} is in use by another process; stop that process, give this one \
         a directory of its own, or let both share a Redis server",
        directory.display()
    )]
    Locked {
        /// The directory that was asked for.
        directory: PathBuf,
    },
    /// The directory cannot be used.
    #[error("the state directory {} cannot be opened", directory.display())]
    Failed {
        /// The directory that was asked for.
        directory: PathBuf,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
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
