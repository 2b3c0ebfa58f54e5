//! Database errors in the words of the port, without SQL and without values.

use std::{error::Error, fmt};

use sea_orm::{DbErr, SqlErr};

use crate::application::ports::StoreError;

/// What went wrong, as text: the driver's own errors print rows and connection strings when they are
/// debug-formatted.
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

/// The port's error for one of sea-orm's.
pub(super) fn store_error(error: &DbErr) -> StoreError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(message)) => {
            StoreError::Conflict(unique_property(&message))
        }
        _ => unavailable(&error.to_string()),
    }
}

/// An error that a later attempt may not meet.
pub(super) fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable(Box::new(Failure(reason.to_owned())))
}

/// The error for a row that cannot be understood. Its content is not repeated.
pub(super) fn corrupt(what: &str, key: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} {key}"))
}

/// The property behind a violated constraint: PostgreSQL names the index, SQLite the column.
fn unique_property(message: &str) -> &'static str {
    const PROPERTIES: [(&str, &str, &str); 6] = [
        ("users_username", "users.username", "username"),
        ("users_email", "users.email", "email"),
        ("roles_name", "roles.name", "role"),
        ("groups_name", "groups.name", "group"),
        ("clients_pkey", "clients.client_id", "client_id"),
        ("signing_keys_pkey", "signing_keys.kid", "kid"),
    ];
    PROPERTIES
        .iter()
        .find(|(index, column, _)| message.contains(index) || message.contains(column))
        .map_or("identifier", |(_, _, property)| property)
}
