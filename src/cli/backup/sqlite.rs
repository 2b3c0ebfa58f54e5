//! SQLite: a file that is one.

use std::{fs, io::Read as _, path::Path};

use crate::cli::CliError;

/// The first bytes of a database (SQLite file format §1.3.1).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Refuses what is no SQLite database, such as a dump of PostgreSQL.
pub(super) fn must_be_one(file: &Path) -> Result<(), CliError> {
    let mut magic = [0; 16];
    let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut magic));
    if read.is_ok() && &magic == MAGIC {
        return Ok(());
    }
    Err(
        CliError::failed("the backup is of another kind of database")
            .hint("set database.url to a database of the kind that was copied"),
    )
}
