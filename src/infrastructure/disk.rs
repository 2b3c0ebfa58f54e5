//! How much room the disks have that this node keeps its data on.

use std::path::PathBuf;

use crate::application::ports::DiskSpace;

/// The disks of these directories.
#[derive(Clone, Debug)]
pub struct LocalDisks(pub Vec<PathBuf>);

impl DiskSpace for LocalDisks {
    fn least(&self) -> Option<u64> {
        let rooms = self.0.iter().filter_map(|directory| {
            let disk = rustix::fs::statvfs(directory).ok()?;
            Some(disk.f_bavail.saturating_mul(disk.f_frsize))
        });
        rooms.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_and_what_is_not_there_says_nothing() {
        let here = LocalDisks(vec![".".into(), "nowhere/at/all".into()]);
        assert!(here.least().is_some_and(|bytes| bytes > 0));
        assert_eq!(LocalDisks(vec!["nowhere".into()]).least(), None);
        assert_eq!(LocalDisks(Vec::new()).least(), None);
    }
}
