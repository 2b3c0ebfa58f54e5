//! Encryption of what rests in the database and must be read again: links, shared secrets.

use zeroize::Zeroizing;

/// Where a sealed value lives. A value that was moved elsewhere does not open.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The primary key of the row.
    pub row: &'a str,
}

/// What does not open: changed, moved, or sealed under another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open")]
pub struct Unopened;

/// Authenticated encryption under the key-encryption key.
pub trait Sealer: Send + Sync {
    /// Encrypts `secret` for one place in the database.
    fn seal(&self, place: &Place<'_>, secret: &[u8]) -> Vec<u8>;

    /// Decrypts what was sealed for this place.
    fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened>;
}
