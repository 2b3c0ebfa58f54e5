//! The tables of the embedded store: entries by key, and their keys by the time they expire, so
//! that a sweep costs what has expired and not what is alive.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use crate::application::ports::state::{StateError, StateKey};

/// Small settings: a node at rest shall stay below 25 MB. An open store takes 1 MB; under load each
/// table holds what was written since the last flush, and what is being flushed.
const MEMTABLE_BYTES: u64 = 4 * 1024 * 1024;
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
const OPEN_FILES: usize = 64;

/// One and two less than what makes fjall slow writers down.
const WAITING_MEMTABLES: usize = 3;
const WAITING_TABLES: usize = 18;

/// What a row takes in memory beside its key and value, roughly.
const ROW_BYTES: usize = 64;

const TIME_BYTES: usize = size_of::<u64>();

/// Handles to the tables. Cheap to clone; only whoever's turn it is at the writer may change
/// anything, which is what makes reading before writing safe.
#[derive(Clone)]
pub(super) struct Records {
    // Before the database: its threads end when its last handle goes, and the directory's lock
    // with the last of all.
    entries: Keyspace,
    expiries: Keyspace,
    database: Database,
    /// Bytes written since the last flush was begun.
    unflushed: Arc<AtomicU64>,
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
        let options = || KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
        Ok(Self {
            entries: database.keyspace("entries", options)?,
            expiries: database.keyspace("expiries", options)?,
            unflushed: Arc::new(AtomicU64::new(database.write_buffer_size())),
            database,
        })
    }

    /// Begins to flush once enough has been written.
    ///
    /// fjall's own trigger, a limit per table, is off. It sends a message with every write beyond
    /// the limit, and where writes outrun its worker, the worker waits for room in the queue that
    /// only it empties. And it would keep journals of the fast table until the slow one is full.
    pub(super) fn flush_if_large(&self) -> fjall::Result<()> {
        if self.unflushed.load(Ordering::Relaxed) >= MEMTABLE_BYTES {
            self.unflushed.store(0, Ordering::Relaxed);
            self.entries.rotate_memtable()?;
            self.expiries.rotate_memtable()?;
        }
        Ok(())
    }

    /// Whether flushing or compaction lags so far behind that the next write might be made to wait.
    pub(super) fn are_behind(&self) -> bool {
        self.unflushed.load(Ordering::Relaxed) >= 2 * MEMTABLE_BYTES
            || [&self.entries, &self.expiries].into_iter().any(|table| {
                table.sealed_memtable_count() >= WAITING_MEMTABLES
                    || table.l0_table_count() >= WAITING_TABLES
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
        let written = 2 * (ROW_BYTES + key.len()) + entry.len();
        batch.insert(&self.entries, key, entry);
        self.commit(batch, written)
    }

    /// Removes an entry, if there is one.
    pub(super) fn remove(&self, key: &[u8]) -> Result<(), StateError> {
        let Some(old) = self.entry(key)? else {
            return Ok(());
        };
        let mut batch = self.database.batch();
        batch.remove(&self.expiries, expiry_bytes(old.expires, key));
        batch.remove(&self.entries, key);
        self.commit(batch, 2 * (ROW_BYTES + key.len()))
    }

    /// Removes at most `limit` entries that have expired by `now`; says how many there were.
    pub(super) fn sweep(&self, now: u64, limit: usize) -> Result<usize, StateError> {
        let mut batch = self.database.batch();
        let due = ..=expiry_bytes(now, &[u8::MAX]);
        let (mut swept, mut written) = (0, 0);
        for row in self.expiries.range(due).take(limit) {
            let row = row.key().map_err(unavailable)?;
            if let Some(key) = row.get(TIME_BYTES..) {
                batch.remove(&self.entries, key);
            }
            written += 2 * (ROW_BYTES + row.len());
            batch.remove(&self.expiries, row);
            swept += 1;
        }
        self.commit(batch, written)?;
        Ok(swept)
    }

    /// Waits until everything written so far is on the disk.
    pub(super) fn sync(&self) -> fjall::Result<()> {
        self.database.persist(PersistMode::SyncData)
    }

    fn commit(&self, batch: OwnedWriteBatch, written: usize) -> Result<(), StateError> {
        let written = u64::try_from(written).unwrap_or(u64::MAX);
        self.unflushed.fetch_add(written, Ordering::Relaxed);
        batch.commit().map_err(unavailable)
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
    fn a_flush_begins_when_enough_was_written_and_loses_nothing() {
        let (records, _directory) = records();
        let half = vec![7; usize::try_from(MEMTABLE_BYTES / 2).unwrap()];
        for key in [b"a", b"b"] {
            records.flush_if_large().unwrap();
            assert_eq!(records.entries.table_count(), 0);
            records.put(key, &half, 1_000).unwrap();
        }
        records.flush_if_large().unwrap();
        assert_eq!(records.unflushed.load(Ordering::Relaxed), 0);
        assert_eq!(records.live(b"a", 0).unwrap().unwrap().value, half);
        assert_eq!(records.live(b"b", 0).unwrap().unwrap().value, half);
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
