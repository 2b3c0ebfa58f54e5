//! The outbox: messages that are written with the change they tell of and delivered after its commit.

use async_trait::async_trait;

use super::{Page, StoreError};
use crate::domain::{
    event::{OutboxKind, OutboxMessage, OutboxRow},
    time::Timestamp,
};

/// Which messages are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxFilter {
    /// Everything that is not delivered.
    All,
    /// What was given up.
    Dead,
}

/// The outbox, reading.
#[async_trait]
pub trait Outbox {
    /// Messages that are not delivered, in the order of their identifiers, which is that of time.
    async fn outbox(&self, filter: OutboxFilter, page: &Page)
    -> Result<Vec<OutboxRow>, StoreError>;

    /// Whether there is anything to claim.
    async fn has_due(&self, kind: OutboxKind, now: Timestamp) -> Result<bool, StoreError>;
}

/// The outbox, changing.
#[async_trait]
pub trait OutboxMut {
    /// Appends a message.
    async fn enqueue(&self, message: &OutboxMessage) -> Result<(), StoreError>;

    /// At most `limit` messages that are due, pushed back to `retry_at` so that no other node takes
    /// them meanwhile, with one more attempt counted. Whoever claimed them and died is succeeded then.
    async fn claim_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        retry_at: Timestamp,
        limit: u64,
    ) -> Result<Vec<OutboxMessage>, StoreError>;

    /// Takes at most `limit` messages that are due out of the outbox, the oldest first; their
    /// identifiers. Nobody else takes them, and they are back if this transaction is not committed.
    async fn take_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<String>, StoreError>;

    /// Removes a delivered message.
    async fn delivered(&self, id: &str) -> Result<(), StoreError>;

    /// Puts a claimed message off after a failure; false if somebody else has claimed it since.
    async fn postpone(
        &self,
        claimed: &OutboxMessage,
        due_at: Timestamp,
        error: &str,
    ) -> Result<bool, StoreError>;

    /// Gives a claimed message up; false if somebody else has claimed it since.
    async fn bury(
        &self,
        claimed: &OutboxMessage,
        now: Timestamp,
        error: &str,
    ) -> Result<bool, StoreError>;

    /// Makes a message due now that was given up, its attempts counted anew; false if there is none
    /// with this identifier. What is not given up may be under way at this moment.
    async fn revive(&self, id: &str, now: Timestamp) -> Result<bool, StoreError>;
}
