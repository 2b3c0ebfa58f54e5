//! Where a database is, for errors: host and port or file, never the password. And why it could not
//! be opened: a pool only says that it timed out.

use std::{path::PathBuf, time::Duration};

use sea_orm::sqlx::{
    self, ConnectOptions as _, postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

use super::error::unavailable;
use crate::application::ports::StoreError;

/// How long the second look for a cause may take.
const LOOK: Duration = Duration::from_secs(2);

/// The file of a SQLite database that does not exist yet.
pub fn missing_file(url: &str) -> Option<PathBuf> {
    sqlite_file(url).filter(|file| !file.exists())
}

/// The file of a SQLite database.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options = url
        .starts_with("sqlite:")
        .then(|| url.parse::<SqliteConnectOptions>());
    Some(options?.ok()?.get_filename().to_owned())
}

/// The error for a database that could not be opened.
pub(super) async fn explain(url: &str, error: &str) -> StoreError {
    if let Some(file) = sqlite_file(url) {
        return unavailable(&format!("SQLite file {}: {}", file.display(), plain(error)));
    }
    let Ok(server) = url.parse::<PgConnectOptions>() else {
        return unavailable(error);
    };
    let cause = match tokio::time::timeout(LOOK, server.connect()).await {
        Err(_) => "it does not answer".to_owned(),
        Ok(Err(error)) => cause(&error),
        Ok(Ok(_)) => plain(error).to_owned(),
    };
    let host = server.get_socket().map_or_else(
        || server.get_host().to_owned(),
        |socket| socket.display().to_string(),
    );
    unavailable(&format!(
        "PostgreSQL server {host}:{}, database {}, user {}: {cause}",
        server.get_port(),
        server.get_database().unwrap_or(server.get_username()),
        server.get_username(),
    ))
}

/// What went wrong, without saying again that something did.
fn cause(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(
        || plain(&error.to_string()).to_owned(),
        |error| error.message().to_owned(),
    )
}

fn plain(error: &str) -> &str {
    const NOISE: [&str; 4] = [
        "Connection Error: ",
        "error returned from database: ",
        "error communicating with database: ",
        "(code: 26) ",
    ];
    NOISE.iter().fold(error, |text, noise| {
        text.strip_prefix(noise).unwrap_or(text)
    })
}
