//! Notes where users are signed in, for them to look at. Nothing is decided by it: what ends a session is
//! a revocation, and the version of the account.

use std::time::Duration;

use crate::{
    application::{Failure, Ports, ports::Touched, trail::Origin},
    domain::{id::ClientId, time::Timestamp, user_session::UserSession},
    protocol::authentication::Login,
};

/// That a session goes on is written at most this often: nothing on the way of a token waits for SQL.
pub const NOTE_AFTER: Duration = Duration::from_hours(1);

/// A session that begins.
pub struct Beginning<'a> {
    /// Whose, and its identifier.
    pub login: &'a Login,
    /// When it ends by itself if it is not used again.
    pub expires_at: Timestamp,
    /// What the browser or application said that it is.
    pub agent: Option<String>,
    /// The application of the operator's own that signed in without a browser.
    pub client: Option<&'a ClientId>,
}

/// Notes a session that begins, or a new login within it.
pub async fn begins(
    ports: &Ports,
    beginning: Beginning<'_>,
    origin: &Origin,
) -> Result<(), Failure> {
    let now = ports.clock.now();
    let authentication = &beginning.login.authentication;
    let session = UserSession {
        id: authentication.session.clone(),
        user: beginning.login.user.clone(),
        security_version: authentication.version,
        started_at: now,
        seen_at: now,
        expires_at: beginning.expires_at.plus(NOTE_AFTER),
        address: origin.address.clone(),
        agent: beginning.agent,
        client: beginning.client.cloned(),
    };
    let work = ports.store.begin().await?;
    work.put_session(&session).await?;
    Ok(work.commit().await?)
}

/// Notes that a session goes on until `expires_at`.
pub async fn goes_on(ports: &Ports, login: &Login, expires_at: Timestamp) -> Result<(), Failure> {
    let touched = Touched {
        id: &login.authentication.session,
        security_version: login.authentication.version,
        seen_at: ports.clock.now(),
        expires_at: expires_at.plus(NOTE_AFTER),
    };
    let work = ports.store.begin().await?;
    work.touch_session(&touched).await?;
    Ok(work.commit().await?)
}
