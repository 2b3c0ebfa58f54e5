//! The tables of the embedded store: entries by key, and their keys by the time they expire, so
//! that a sweep costs what has expired and not what is alive.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::application::ports::state::{StateError, StateKey};

/// Small settings: a node at rest shall stay below 25 MB. A memtable is what a flush writes; live
/// state beyond it is read through the cache.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
const OPEN_FILES: usize = 64;

const TIME_BYTES: usize = size_of::<u64>();

/// Handles to the tables. Cheap to clone; only the writer's thread may change anything, which is
/// what makes reading before writing safe.
#[derive(Clone)]
pub(super) struct Records {
    // Before the database: its threads end when its last handle goes, and the directory's lock
    // with the last of all.
    entries: Keyspace,
    expiries: Keyspace,
    database: Database,
}

/// A record and the moment it expires, in milliseconds of the store's clock.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) expires: u64,
    pub(super) value: Vec<u8>,
}

impl Records {
    pub(super) fn open(directory: &Path) -> fjall::Result<Self> {
        let database = Database::builder(directory)
            .worker_threads(1)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(OPEN_FILES))
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        Ok(Self {
            entries: database.keyspace("entries", options)?,
            expiries: database.keyspace("expiries", options)?,
            database,
        })
    }

    /// The entry, unless it has expired by `now`.
    pub(super) fn live(&self, key: &[u8], now: u64) -> Result<Option<Entry>, StateError> {
        Ok(self.entry(key)?.filter(|entry| entry.expires > now))
    }

    /// Writes an entry over whatever was there.
    pub(super) fn put(&self, key: &[u8], value: &[u8], expires: u64) -> Result<(), StateError> {
        let mut batch = self.database.batch();
        match self.entry(key)? {
            Some(old) if old.expires == expires => {}
            old => {
                if let Some(old) = old {
                    batch.remove(&self.expiries, expiry_bytes(old.expires, key));
                }
                batch.insert(&self.expiries, expiry_bytes(expires, key), []);
            }
        }
        let entry = [&expires.to_be_bytes(), value].concat();
        batch.insert(&self.entries, key, entry);
        batch.commit().map_err(unavailable)
    }

    /// Removes an entry, if there is one.
    pub(super) fn remove(&self, key: &[u8]) -> Result<(), StateError> {
        let Some(old) = self.entry(key)? else {
            return Ok(());
        };
        let mut batch = self.database.batch();
        batch.remove(&self.expiries, expiry_bytes(old.expires, key));
        batch.remove(&self.entries, key);
        batch.commit().map_err(unavailable)
    }

    /// Removes at most `limit` entries that have expired by `now`; says how many there were.
    pub(super) fn sweep(&self, now: u64, limit: usize) -> Result<usize, StateError> {
        let mut batch = self.database.batch();
        let due = ..=expiry_bytes(now, &[u8::MAX]);
        let mut swept = 0;
        for row in self.expiries.range(due).take(limit) {
            let row = row.key().map_err(unavailable)?;
            if let Some(key) = row.get(TIME_BYTES..) {
                batch.remove(&self.entries, key);
            }
            batch.remove(&self.expiries, row);
            swept += 1;
        }
        batch.commit().map_err(unavailable)?;
        Ok(swept)
    }

    /// Waits until everything written so far is on the disk.
    pub(super) fn sync(&self) -> fjall::Result<()> {
        self.database.persist(PersistMode::SyncData)
    }

    fn entry(&self, key: &[u8]) -> Result<Option<Entry>, StateError> {
        let Some(bytes) = self.entries.get(key).map_err(unavailable)? else {
            return Ok(None);
        };
        let (expires, value) = bytes
            .split_first_chunk::<TIME_BYTES>()
            .ok_or(StateError::Corrupt)?;
        Ok(Some(Entry {
            expires: u64::from_be_bytes(*expires),
            value: value.to_vec(),
        }))
    }
}

/// The key of a record in its table: `prefix:digest`.
pub(super) fn key_bytes(key: &StateKey) -> Vec<u8> {
    [key.kind().prefix().as_bytes(), b":", key.digest()].concat()
}

/// Milliseconds of the store's own clock.
///
/// Not the injected clock: what expires here is only housekeeping, as it would be on a Redis
/// server, and tests that move the application's time must meet the same behavior on both.
#[expect(
    clippy::disallowed_methods,
    reason = "the store's own housekeeping time"
)]
pub(super) fn store_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

pub(super) fn unavailable(error: fjall::Error) -> StateError {
    StateError::Unavailable(error.into())
}

/// Sorts by time first.
fn expiry_bytes(expires: u64, key: &[u8]) -> Vec<u8> {
    [&expires.to_be_bytes(), key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> (Records, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (Records::open(directory.path()).unwrap(), directory)
    }

    fn rows(records: &Records) -> (usize, usize) {
        (
            records.entries.len().unwrap(),
            records.expiries.len().unwrap(),
        )
    }

    #[test]
    fn an_entry_is_alive_until_its_moment() {
        let (records, _directory) = records();
        records.put(b"a", b"value", 1_000).unwrap();
        assert_eq!(
            records.live(b"a", 999).unwrap(),
            Some(Entry {
                expires: 1_000,
                value: b"value".to_vec()
            })
        );
        assert_eq!(records.live(b"a", 1_000).unwrap(), None);
    }

    #[test]
    fn a_sweep_gives_back_what_has_expired_and_nothing_else() {
        let (records, _directory) = records();
        for (key, expires) in [(b"a", 10), (b"b", 20), (b"c", 30)] {
            records.put(key, b"", expires).unwrap();
        }
        assert_eq!(records.sweep(20, 1).unwrap(), 1);
        assert_eq!(records.sweep(20, 500).unwrap(), 1);
        assert_eq!(records.sweep(20, 500).unwrap(), 0);
        assert_eq!(rows(&records), (1, 1));
        assert!(records.live(b"c", 20).unwrap().is_some());
    }

    #[test]
    fn an_entry_that_is_given_more_time_survives_the_sweep_of_its_former_moment() {
        let (records, _directory) = records();
        records.put(b"a", b"old", 10).unwrap();
        records.put(b"a", b"new", 100).unwrap();
        assert_eq!(rows(&records), (1, 1));
        assert_eq!(records.sweep(50, 500).unwrap(), 0);
        assert!(records.live(b"a", 50).unwrap().is_some());
    }

    #[test]
    fn a_removed_entry_leaves_no_row_behind() {
        let (records, _directory) = records();
        records.put(b"a", b"", 10).unwrap();
        records.remove(b"a").unwrap();
        records.remove(b"a").unwrap();
        assert_eq!(rows(&records), (0, 0));
    }
}
