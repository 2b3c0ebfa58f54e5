//! The tables of the embedded store: entries by key, and their keys by the minute in which they are
//! over, so that a sweep costs what has expired and not what is alive.
//!
//! A row of the second table is a hint and never removed with its entry: a sweep looks at the entry
//! before it removes anything. That saves a read and a row on every write.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use crate::application::ports::state::{StateError, StateKey};

/// Small settings: a node at rest shall stay below 25 MB. A memtable is what a flush writes; live
/// state beyond it is read through the cache.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
const OPEN_FILES: usize = 64;

const TIME_BYTES: usize = size_of::<u64>();
const MINUTE: u64 = 60_000;

/// The tables. Whoever changes an entry holds the lock of its key.
pub(super) struct Records {
    // Before the database: its threads end when its last handle goes, and the directory's lock
    // with the last of all.
    entries: Keyspace,
    due: Keyspace,
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
            due: database.keyspace("due", options)?,
            database,
        })
    }

    /// The entry, unless it has expired by `now`.
    pub(super) fn live(&self, key: &[u8], now: u64) -> Result<Option<Entry>, StateError> {
        Ok(self.entry(key)?.filter(|entry| entry.expires > now))
    }

    /// Writes an entry over whatever was there. `old` is what the caller has just read, if it has.
    pub(super) fn put(
        &self,
        key: &[u8],
        value: &[u8],
        expires: u64,
        old: Option<&Entry>,
    ) -> Result<(), StateError> {
        let mut batch = self.database.batch();
        let minute = last_minute(expires);
        if old.is_none_or(|old| last_minute(old.expires) != minute) {
            batch.insert(&self.due, due_bytes(minute, key), []);
        }
        let entry = [&expires.to_be_bytes(), value].concat();
        batch.insert(&self.entries, key, entry);
        batch.commit().map_err(unavailable)
    }

    /// Removes an entry.
    pub(super) fn remove(&self, key: &[u8]) -> Result<(), StateError> {
        self.entries.remove(key).map_err(unavailable)
    }

    /// At most `limit` rows of minutes that are over by `now`, oldest first.
    pub(super) fn due(&self, now: u64, limit: usize) -> Result<Vec<Due>, StateError> {
        let rows = self.due.range(..due_bytes(now / MINUTE, &[]));
        let rows = rows
            .take(limit)
            .map(|row| row.key().map(|row| Due(row.to_vec())));
        rows.collect::<Result<_, _>>().map_err(unavailable)
    }

    /// Removes the row, and its entry if that has expired by `now`.
    pub(super) fn sweep(&self, due: &Due, now: u64) -> Result<(), StateError> {
        let mut batch = self.database.batch();
        let over = |entry: Option<Entry>| entry.is_some_and(|entry| entry.expires <= now);
        if over(self.entry(due.key())?) {
            batch.remove(&self.entries, due.key());
        }
        batch.remove(&self.due, due.0.as_slice());
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

/// The minute in which an entry is over.
fn last_minute(expires: u64) -> u64 {
    expires / MINUTE
}

/// Sorts by time first.
fn due_bytes(minute: u64, key: &[u8]) -> Vec<u8> {
    [&minute.to_be_bytes(), key].concat()
}

/// A row that says: this entry was to be over by now.
#[derive(Debug)]
pub(super) struct Due(Vec<u8>);

impl Due {
    /// The key of the entry.
    pub(super) fn key(&self) -> &[u8] {
        self.0.get(TIME_BYTES..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> (Records, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (Records::open(directory.path()).unwrap(), directory)
    }

    fn rows(records: &Records) -> (usize, usize) {
        (records.entries.len().unwrap(), records.due.len().unwrap())
    }

    /// Sweeps at most `limit` rows and says how many there were.
    fn sweep(records: &Records, now: u64, limit: usize) -> usize {
        let due = records.due(now, limit).unwrap();
        for row in &due {
            records.sweep(row, now).unwrap();
        }
        due.len()
    }

    #[test]
    fn an_entry_is_alive_until_its_moment() {
        let (records, _directory) = records();
        records.put(b"a", b"value", 1_000, None).unwrap();
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
        for (key, minute) in [(b"a", 1), (b"b", 2), (b"c", 3)] {
            records.put(key, b"", minute * MINUTE, None).unwrap();
        }
        let now = 3 * MINUTE - 1;
        assert_eq!(sweep(&records, now, 500), 1, "a minute that is not over");
        assert_eq!(sweep(&records, now + 1, 1), 1);
        assert_eq!(sweep(&records, now + 1, 500), 0);
        assert_eq!(rows(&records), (1, 1));
        assert!(records.live(b"c", now).unwrap().is_some());
    }

    #[test]
    fn an_entry_that_is_given_more_time_survives_the_sweep_of_its_former_moment() {
        let (records, _directory) = records();
        records.put(b"a", b"old", 10, None).unwrap();
        records.put(b"a", b"new", 100 * MINUTE, None).unwrap();
        assert_eq!(sweep(&records, 50 * MINUTE, 500), 1);
        assert!(records.live(b"a", 50 * MINUTE).unwrap().is_some());
        assert_eq!(sweep(&records, 101 * MINUTE, 500), 1);
        assert_eq!(rows(&records), (0, 0));
    }

    #[test]
    fn writes_that_end_in_the_same_minute_share_a_row() {
        let (records, _directory) = records();
        for expires in [10, 20, 30] {
            records.put(b"a", b"", expires, None).unwrap();
        }
        assert_eq!(rows(&records), (1, 1));
    }

    #[test]
    fn a_removed_entry_leaves_a_row_that_its_minute_ends() {
        let (records, _directory) = records();
        records.put(b"a", b"", 10, None).unwrap();
        records.remove(b"a").unwrap();
        records.remove(b"a").unwrap();
        assert_eq!(rows(&records), (0, 1));
        assert_eq!(sweep(&records, MINUTE, 500), 1);
        assert_eq!(rows(&records), (0, 0));
    }
}
