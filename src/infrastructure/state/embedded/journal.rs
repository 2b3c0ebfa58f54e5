//! Syncing the journal without stopping the writers.
//!
//! `Database::persist` holds the journal's lock while the disk works, and every change would wait
//! for it. `fdatasync` is about the file and not about who opened it, so the newest journal is
//! synced through a handle of our own: what was written before we look is in it, or in an older one,
//! which is synced completely before a newer one is made.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

const SUFFIX: &str = ".jnl";

/// A handle to the newest journal. Kept, because a handle is told of each failure to write its file
/// only once, and only if it is older than the failure.
#[derive(Default)]
pub(super) struct Journal(Option<(u64, File)>);

impl Journal {
    /// Waits until everything written so far is on the disk.
    pub(super) fn sync(&mut self, directory: &Path) -> io::Result<()> {
        let newest = newest(directory)?;
        if let Some((number, file)) = &self.0
            && *number == newest
        {
            return file.sync_data();
        }
        // The one before may have failed since we last asked.
        if let Some((_, file)) = self.0.take() {
            file.sync_data()?;
        }
        let file = File::open(directory.join(format!("{newest}{SUFFIX}")))?;
        file.sync_data()?;
        self.0 = Some((newest, file));
        Ok(())
    }
}

fn newest(directory: &Path) -> io::Result<u64> {
    let mut newest = None;
    for file in fs::read_dir(directory)? {
        let name = file?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        newest = newest.max(number.and_then(|number| number.parse().ok()));
    }
    newest.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no journal"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infrastructure::state::embedded::records::Records;

    #[test]
    fn the_journal_is_where_we_look_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::open(directory.path()).unwrap();
        let mut journal = Journal::default();
        for _ in 0..2 {
            records.put(b"a", b"value", u64::MAX, None).unwrap();
            journal.sync(directory.path()).unwrap();
        }
        let number = journal.0.unwrap().0;
        let bytes = fs::read(directory.path().join(format!("{number}{SUFFIX}"))).unwrap();
        assert!(bytes.windows(5).any(|window| window == b"value"));
    }

    #[test]
    fn the_newest_journal_is_the_one_with_the_highest_number() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["9.jnl", "10.jnl", "lock", "version", "11.other"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(newest(directory.path()).unwrap(), 10);
    }
}
