//! The open tables and who may touch them when.
//!
//! Changes run where they are asked for: a batch is microseconds. What makes reading before writing
//! safe is a lock for the key, one of a fixed number.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    complaint::Complaint,
    records::{Records, unavailable},
};
use crate::application::ports::state::StateError;

/// Locks for keys: enough that two requests hardly ever meet by chance.
const LOCKS: usize = 64;

/// The tables of a directory, which may have to be closed and opened again after the disk failed.
pub(super) struct Engine {
    directory: PathBuf,
    records: RwLock<Option<Records>>,
    locks: [Mutex<()>; LOCKS],
    broken: AtomicBool,
    complaint: Complaint,
}

impl Engine {
    pub(super) fn open(directory: &Path) -> fjall::Result<Self> {
        Ok(Self {
            directory: directory.to_owned(),
            records: RwLock::new(Some(Records::open(directory)?)),
            locks: [const { Mutex::new(()) }; LOCKS],
            broken: AtomicBool::new(false),
            complaint: Complaint::default(),
        })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Reads.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Records) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let records = self.records.read();
        let records = records.unwrap_or_else(PoisonError::into_inner);
        read(records.as_ref().ok_or_else(closed)?)
    }

    /// Reads and writes while nobody else writes under `key`.
    pub(super) fn change<T>(
        &self,
        key: &[u8],
        change: impl FnOnce(&Records) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let _lock = self.lock(key);
        if self.is_broken() {
            return Err(closed());
        }
        let changed = self.read(change);
        if let Err(StateError::Unavailable(error)) = &changed {
            self.fail(&**error);
        }
        changed
    }

    /// Whether nothing can be written until [`Engine::reopen`] has worked.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Notes that the disk failed: after a failed write nobody knows what is in the journal, so
    /// nothing is written until it has been read again.
    pub(super) fn fail(&self, error: &(dyn std::error::Error + 'static)) {
        self.broken.store(true, Ordering::Release);
        self.complaint.about(error);
    }

    /// Closes the tables and opens them again. What was acknowledged is in the journal.
    pub(super) fn reopen(&self) -> Result<(), StateError> {
        let before = self.replace(None);
        // Its last handle releases the directory; nobody else has one while it is out of its place.
        drop(before);
        let records = Records::open(&self.directory).map_err(unavailable)?;
        self.replace(Some(records));
        self.broken.store(false, Ordering::Release);
        let failures = self.complaint.settle();
        tracing::warn!(failures, "the state store works again");
        Ok(())
    }

    fn replace(&self, records: Option<Records>) -> Option<Records> {
        let place = self.records.write();
        std::mem::replace(&mut *place.unwrap_or_else(PoisonError::into_inner), records)
    }

    fn lock(&self, key: &[u8]) -> Option<MutexGuard<'_, ()>> {
        // The end of a key is the end of a digest.
        let slot = key.last().map_or(0, |byte| usize::from(*byte) % LOCKS);
        let lock = self.locks.get(slot)?;
        Some(lock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that meets this is answered with 503.
fn closed() -> StateError {
    StateError::Unavailable("the disk of the state store has failed and it is closed".into())
}
