//! Where users are signed in.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    id::{SessionId, UserId},
    time::Timestamp,
    user_session::UserSession,
};

/// Sessions of users, reading.
#[async_trait]
pub trait UserSessions {
    /// The sessions of a user, the one that was used last first; at most `limit`. Some may have ended.
    async fn sessions_of(&self, user: &UserId, limit: u64) -> Result<Vec<UserSession>, StoreError>;
}

/// A session that was used again.
#[derive(Clone, Copy, Debug)]
pub struct Touched<'a> {
    /// Which.
    pub id: &'a SessionId,
    /// The version of the account in which it goes on.
    pub security_version: u64,
    /// When.
    pub seen_at: Timestamp,
    /// When it ends by itself now.
    pub expires_at: Timestamp,
}

/// Sessions of users, changing.
#[async_trait]
pub trait UserSessionsMut {
    /// Writes what is known of a session; when it began stays as it was.
    async fn put_session(&self, session: &UserSession) -> Result<(), StoreError>;

    /// Notes that a session goes on, in this version of the account. Nothing happens if it is not known.
    async fn touch_session(&self, session: &Touched<'_>) -> Result<(), StoreError>;

    /// Forgets a session; false if there was none.
    async fn delete_session(&self, session: &SessionId) -> Result<bool, StoreError>;

    /// Removes at most `limit` sessions that ended by themselves before `moment`. How many there were.
    async fn sweep_sessions(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError>;
}
