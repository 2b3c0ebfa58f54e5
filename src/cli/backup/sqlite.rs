//! SQLite: a consistent copy beside running writers.

use std::{fs, io::Read as _, path::Path};

use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::cli::CliError;

/// The first bytes of a database (SQLite file format §1.3.1).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Writes one file that holds everything that was committed (`VACUUM INTO`).
pub(super) async fn copy(url: &str, to: &Path) -> Result<(), CliError> {
    let failed =
        |error: sqlx::Error| CliError::failed(format!("the database cannot be copied: {error}"));
    let options: SqliteConnectOptions = url.parse().map_err(failed)?;
    let mut connection = options.connect().await.map_err(failed)?;
    let target = to.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO ?")
        .bind(target)
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)
}

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
