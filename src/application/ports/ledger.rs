//! What every token costs in SQL, shared by the requests of the same moment.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{event::AuditEvent, grant::Grant, time::Timestamp};

/// Something that must be durable before a request is answered, and may share its transaction with
/// what other requests write at the same time.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A code becomes a grant, with the event that tells of it: [`GrantsMut::redeem_grants`].
    ///
    /// [`GrantsMut::redeem_grants`]: super::GrantsMut::redeem_grants
    Redeem {
        /// What was granted.
        grant: Box<Grant>,
        /// From when nothing of it can be alive.
        expires_at: Timestamp,
        /// Written if the grant was.
        event: Box<AuditEvent>,
    },
    /// Something that is no grant ends before its time.
    Revoke {
        /// Its name among the revocations.
        id: String,
        /// From when it is dead anyway.
        expires_at: Timestamp,
    },
    /// A line of the trail.
    Event(Box<AuditEvent>),
}

/// Writes entries of concurrent requests in common transactions.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Writes `entry`; answers after the commit. False for a grant that was redeemed before, of which
    /// nothing is written.
    async fn append(&self, entry: Entry) -> Result<bool, StoreError>;
}
