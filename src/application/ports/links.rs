//! Links and codes that work once.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    one_time::{OneTimeLink, Purpose},
    secret::SecretDigest,
    time::Timestamp,
    user::Email,
};

/// Links, reading. What was used is not found any more.
#[async_trait]
pub trait Links {
    /// The unused link with this secret.
    async fn link_by_secret(
        &self,
        secret: &SecretDigest,
    ) -> Result<Option<OneTimeLink>, StoreError>;

    /// How many links for `purpose` were made for an address since `since`.
    async fn links_since(
        &self,
        email: &Email,
        purpose: Purpose,
        since: Timestamp,
    ) -> Result<u64, StoreError>;
}

/// Links, changing.
#[async_trait]
pub trait LinksMut {
    /// Adds a link.
    async fn add_link(&self, link: &OneTimeLink) -> Result<(), StoreError>;

    /// The link with this identifier, one more try of its code counted. None if there is none that can
    /// be used, or `most` tries were counted before: the code is not even looked at then.
    async fn try_link(
        &self,
        id: &str,
        most: u32,
        now: Timestamp,
    ) -> Result<Option<OneTimeLink>, StoreError>;

    /// Uses a link up: true for exactly one of all who try.
    async fn use_link(&self, id: &str, now: Timestamp) -> Result<bool, StoreError>;

    /// Removes at most `limit` links that were worthless before `moment`. How many there were.
    async fn sweep_links(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError>;
}
