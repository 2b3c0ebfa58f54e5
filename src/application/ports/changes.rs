//! What changed in the directory, and what was ended before its time: the two questions that a node
//! with copies in memory asks the database.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    id::{ClientId, UserId},
    time::Timestamp,
};

/// Something in the directory of which nodes keep copies, and which is not any more what it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// A client's metadata, secrets or status, or its end.
    Client(ClientId),
    /// A resource server.
    Resource(String),
    /// A user's status or claims.
    User(UserId),
    /// What a user may do.
    Authority(UserId),
    /// What any user may do: a role or a group changed.
    Authorities,
    /// What a user allowed a client.
    Consent(UserId, ClientId),
    /// The signing keys.
    Keys,
    /// Of a kind that this version does not know: whatever it was, every copy is stale.
    Unknown,
}

/// A change with its place in the order of the commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedChange {
    /// Its number: larger than that of every change that was committed before.
    pub seq: i64,
    /// What changed.
    pub change: Change,
}

/// The changes of the directory. A unit of work writes them by itself when it commits.
#[async_trait]
pub trait Changes {
    /// The number of the latest change; zero if there was none.
    async fn latest_change(&self) -> Result<i64, StoreError>;

    /// At most `limit` changes after `seq`, in their order, beginning with the one numbered `seq` if
    /// it is still there: its absence tells that changes have been forgotten.
    async fn changes_from(&self, seq: i64, limit: u64) -> Result<Vec<NumberedChange>, StoreError>;
}

/// The changes of the directory, forgetting.
#[async_trait]
pub trait ChangesMut {
    /// Removes at most `limit` changes from before `moment`, never the latest. How many there were.
    async fn sweep_changes(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError>;
}

/// What was ended before its time and is no grant: single access tokens, sessions.
#[async_trait]
pub trait Revocations {
    /// Whether any of these was revoked.
    async fn is_any_revoked(&self, ids: &[String]) -> Result<bool, StoreError>;
}

/// Revocations, writing.
#[async_trait]
pub trait RevocationsMut {
    /// Revokes each of these, until the moment from which it is dead anyway.
    async fn revoke_all(&self, revocations: &[(String, Timestamp)]) -> Result<(), StoreError>;

    /// Removes at most `limit` revocations of what is dead by `now`. How many there were.
    async fn sweep_revocations(&self, now: Timestamp, limit: u64) -> Result<u64, StoreError>;
}
