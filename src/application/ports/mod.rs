//! What the use cases need from the outside, as traits. Implementations live in `infrastructure`.

mod backlog;
mod certificates;
mod changes;
mod keys;
mod ledger;
mod links;
mod mail;
mod members;
mod outbound;
mod outbox;
mod repositories;
mod seal;
mod sessions;
pub mod state;
mod statistics;

use std::{error::Error, fmt, sync::Weak};

use async_trait::async_trait;

pub use self::{
    backlog::*, certificates::Certificates, changes::*, keys::*, ledger::*, links::*, mail::*,
    members::*, outbound::Outbound, outbox::*, repositories::*, seal::*, sessions::*,
    statistics::*,
};
use crate::domain::{time::Timestamp, user::PasswordHash};

/// Why the SQL store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or not in time. Answered with 503.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Something with that unique property exists already; names the property.
    #[error("{0} exists already")]
    Conflict(&'static str),
    /// What it holds cannot be read.
    #[error("the database holds an unreadable {0}")]
    Corrupt(String),
}

/// The SQL store: what must last.
#[async_trait]
pub trait Store: Send + Sync {
    /// Starts a transaction.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;

    /// Repositories without mutators, outside a transaction: queries cannot write.
    fn reader(&self) -> &dyn Reader;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Whom to tell after a commit that changed the directory, as long as they are there. Heeded once.
    fn set_announcer(&self, announcer: Weak<dyn Announcer>);
}

/// Hears of every committed change of the directory before the commit answers.
#[async_trait]
pub trait Announcer: Send + Sync {
    /// Tells all nodes that the directory is not what it was.
    async fn announce(&self);
}

/// All repositories, reading.
pub trait Reader:
    Users
    + Roles
    + Clients
    + Consents
    + Grants
    + Keys
    + Links
    + Members
    + Audit
    + Backlogs
    + Outbox
    + Statistics
    + UserSessions
    + Changes
    + Revocations
    + Send
    + Sync
{
}

impl<
    T: Users
        + Roles
        + Clients
        + Consents
        + Grants
        + Keys
        + Links
        + Members
        + Audit
        + Backlogs
        + Outbox
        + Statistics
        + UserSessions
        + Changes
        + Revocations
        + Send
        + Sync,
> Reader for T
{
}

/// One transaction over all repositories. Rolls back unless committed.
#[async_trait]
pub trait UnitOfWork:
    Reader
    + UsersMut
    + RolesMut
    + ClientsMut
    + ConsentsMut
    + GrantsMut
    + KeysMut
    + LinksMut
    + AuditMut
    + OutboxMut
    + StatisticsMut
    + UserSessionsMut
    + ChangesMut
    + RevocationsMut
{
    /// Waits until nobody else is at work who asked for the same, and keeps others waiting until the end.
    /// For what is right only as long as no other role, group or owner changes meanwhile. The first thing
    /// in a unit of work.
    async fn alone(&self) -> Result<(), StoreError>;

    /// Makes all of it durable and visible. What changed in the directory is numbered, and other nodes
    /// are told.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Undoes all of it now. One that is only dropped is undone when the pool gets round to it, and holds
    /// its locks until then.
    async fn rollback(self: Box<Self>) -> Result<(), StoreError>;
}

/// The disks on which this node keeps data of its own.
pub trait DiskSpace: Send + Sync {
    /// Bytes that are free on the fullest of them; none where all data lives elsewhere.
    fn least(&self) -> Option<u64>;
}

/// The current time. The only clock there is, so that tests can turn it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Randomness from the operating system's generator.
pub trait Rng: Send + Sync {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// What came of checking a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is the one.
    Correct,
    /// It is the one, but its hash is weaker than today's parameters ask: hash it anew.
    CorrectButOutdated,
    /// It is not.
    Wrong,
}

/// Why no password was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// The queue is full or the wait too long. Answered with 503.
    Busy,
    /// The stored hash cannot be read.
    Corrupt,
    /// The operator's list of stolen passwords cannot be read.
    Unscreened,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too many passwords are being hashed",
            Self::Corrupt => "the stored password hash is unreadable",
            Self::Unscreened => "the list of stolen passwords is unreadable",
        })
    }
}

impl Error for HashError {}

/// Slow hashing of what people choose.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes `password` for storage.
    async fn hash(&self, password: &str) -> Result<PasswordHash, HashError>;

    /// Checks `password` against `stored`; against a decoy of the same cost when there is no such
    /// account, so that the time tells nothing.
    async fn verify(
        &self,
        password: &str,
        stored: Option<&PasswordHash>,
    ) -> Result<PasswordCheck, HashError>;

    /// Whether a password can be checked against this hash, which may come from other software.
    fn can_verify(&self, hash: &PasswordHash) -> bool {
        let _ = hash;
        true
    }

    /// Words of this site, which make poor passwords on it; in lower case.
    fn site_words(&self) -> &[String] {
        &[]
    }

    /// Whether `password` is on the operator's list of stolen ones, where there is one.
    async fn is_breached(&self, password: &str) -> Result<bool, HashError> {
        let _ = password;
        Ok(false)
    }
}
