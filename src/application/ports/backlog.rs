//! How far delivery is behind.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::time::Timestamp;

/// Messages of the outbox that have not left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many wait for their first or next attempt; counted up to the limit.
    pub pending: u64,
    /// How many were given up; counted up to the limit.
    pub dead: u64,
    /// When the oldest of those that wait was written.
    pub oldest: Option<Timestamp>,
}

/// The outbox, counted.
#[async_trait]
pub trait Backlogs {
    /// What has not left, looking at no more than `limit` messages of each kind: counting must not
    /// grow with what is counted.
    async fn backlog(&self, limit: u64) -> Result<Backlog, StoreError>;
}
