//! Where a user is signed in.

use crate::{
    application::ports::{Reader, StoreError},
    domain::{time::Timestamp, user::User, user_session::UserSession},
};

/// Sessions shown of one user. Who has more sees those that were used last.
const MOST: u64 = 200;

/// The sessions of `user` that stand at `now`, the one that was used last first.
pub async fn of(
    reader: &dyn Reader,
    user: &User,
    now: Timestamp,
) -> Result<Vec<UserSession>, StoreError> {
    let mut sessions = reader.sessions_of(&user.id, MOST).await?;
    sessions.retain(|session| session.stands(user.security_version, now));
    Ok(sessions)
}
