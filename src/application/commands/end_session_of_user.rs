//! Ends a session from elsewhere: from the account page of another browser, or by an administrator.

use super::end_session::{Until, end};
use crate::{
    application::{Failure, Ports, queries::sessions, trail::Origin},
    domain::{id::SessionId, user::User},
};

/// Ends the session `id` of `user` with all that stands on it; false if the user has no such session.
pub async fn end_session_of_user(
    ports: &Ports,
    user: &User,
    id: &SessionId,
    origin: &Origin,
) -> Result<bool, Failure> {
    let sessions = sessions::of(ports.store.reader(), user, ports.clock.now()).await?;
    let Some(session) = sessions.into_iter().find(|session| session.id == *id) else {
        return Ok(false);
    };
    // Its browser may come back with its cookie for as long as that lasts.
    end(ports, (&user.id, id), Until::At(session.expires_at), origin).await?;
    Ok(true)
}

/// Ends all sessions of a user but this one, each with what stands on it. How many there were.
pub async fn end_other_sessions(
    ports: &Ports,
    user: &User,
    this: &SessionId,
    origin: &Origin,
) -> Result<usize, Failure> {
    let mut ended = 0;
    for session in sessions::of(ports.store.reader(), user, ports.clock.now()).await? {
        if session.id != *this {
            let until = Until::At(session.expires_at);
            end(ports, (&user.id, &session.id), until, origin).await?;
            ended += 1;
        }
    }
    Ok(ended)
}
