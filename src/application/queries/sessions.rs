//! Where a user is signed in.

use crate::{
    application::{Failure, Ports},
    domain::{user::User, user_session::UserSession},
};

/// Sessions shown of one user. Who has more sees those that were used last.
const MOST: u64 = 200;

/// The sessions of `user` that stand, the one that was used last first.
pub async fn of(ports: &Ports, user: &User) -> Result<Vec<UserSession>, Failure> {
    let now = ports.clock.now();
    let mut sessions = ports.store.reader().sessions_of(&user.id, MOST).await?;
    sessions.retain(|session| session.stands(user.security_version, now));
    Ok(sessions)
}
