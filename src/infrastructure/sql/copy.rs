//! A consistent copy of a SQLite database, beside running writers.

use std::path::Path;

use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::error::unavailable;
use crate::application::ports::StoreError;

/// Writes one file that holds everything that was committed (`VACUUM INTO`). There must be none yet.
pub async fn copy_sqlite(url: &str, to: &Path) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| unavailable(&error.to_string());
    let options: SqliteConnectOptions = url.parse().map_err(failed)?;
    let mut connection = options.connect().await.map_err(failed)?;
    sqlx::query("VACUUM INTO ?")
        .bind(to.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)
}
