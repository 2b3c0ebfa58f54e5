//! The browser's session: who is logged in, for how long. Nothing else is kept in it, because
//! parallel requests overwrite each other's changes.

use std::sync::Arc;

use axum::http::{HeaderValue, request::Parts};
use serde::{Deserialize, Serialize};
use tower_sessions::{Expiry, Session};

use super::{context, cookies::Cookies};
use crate::{
    application::{
        Failure, Ports,
        commands::note_session::{self, Beginning},
        queries::login::user_of,
    },
    domain::{time::Timestamp, user::User},
    protocol::{authentication::Login, session_state},
};

const KEY: &str = "login";
/// A session is written again at most this often, seconds.
const TOUCH_AFTER: u64 = 60;

/// What the session holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    login: Login,
    duration: SessionDuration,
    started_at: Timestamp,
    seen_at: Timestamp,
    /// When its user was last shown that it goes on.
    #[serde(default = "never")]
    noted_at: Timestamp,
    /// The epoch of the state store's memory in which it began.
    #[serde(default)]
    epoch: String,
}

/// Of sessions from before they were noted.
fn never() -> Timestamp {
    Timestamp(0)
}

/// How long a login is meant to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionDuration {
    /// Until the browser is closed, but no longer than the absolute lifetime.
    Browser,
    /// For the longer lifetime of "remember me".
    Remembered,
}

/// The login that this browser remembers, if it still stands, and its user.
pub async fn current(
    ports: &Ports,
    session: &Session,
) -> Result<Option<(Login, Arc<User>)>, Failure> {
    let Some(remembered) = session.get::<Remembered>(KEY).await.map_err(broken)? else {
        return Ok(None);
    };
    let now = ports.clock.now();
    if now >= end_of(ports, &remembered) {
        session.flush().await.map_err(broken)?;
        return Ok(None);
    }
    let Some(user) = user_of(ports, &remembered.login, &remembered.epoch).await? else {
        session.flush().await.map_err(broken)?;
        return Ok(None);
    };
    if now.since(remembered.seen_at).as_secs() > TOUCH_AFTER {
        touch(ports, session, remembered.clone(), now).await?;
    }
    Ok(Some((remembered.login, user)))
}

/// Notes that the session was used.
async fn touch(
    ports: &Ports,
    session: &Session,
    remembered: Remembered,
    now: Timestamp,
) -> Result<(), Failure> {
    let is_due = now.since(remembered.noted_at) >= note_session::NOTE_AFTER;
    let remembered = Remembered {
        seen_at: now,
        noted_at: if is_due { now } else { remembered.noted_at },
        ..remembered
    };
    store(ports, session, &remembered).await?;
    if is_due {
        let end = end_of(ports, &remembered);
        note_session::goes_on(ports, &remembered.login, end).await?;
    }
    Ok(())
}

/// Remembers a login under a new session identifier, so that one known from before is worthless.
pub async fn begin(
    ports: &Ports,
    session: &Session,
    (login, duration): (&Login, SessionDuration),
    request: &Parts,
) -> Result<(), Failure> {
    session.cycle_id().await.map_err(broken)?;
    let now = ports.clock.now();
    let (_, sight) = ports.directory.look(&[]).await?;
    let remembered = Remembered {
        epoch: sight.epoch().to_owned(),
        login: login.clone(),
        duration,
        started_at: now,
        seen_at: now,
        noted_at: now,
    };
    store(ports, session, &remembered).await?;
    let beginning = Beginning {
        login,
        expires_at: end_of(ports, &remembered),
        agent: context::agent(&request.headers),
        client: None,
    };
    note_session::begins(ports, beginning, &context::origin(request)).await
}

/// Goes on with a login that has become another version of itself, under a new session identifier.
pub async fn renew(ports: &Ports, session: &Session, login: Login) -> Result<(), Failure> {
    let remembered = session.get::<Remembered>(KEY).await.map_err(broken)?;
    let Some(remembered) = remembered else {
        return Ok(());
    };
    session.cycle_id().await.map_err(broken)?;
    let (_, sight) = ports.directory.look(&[]).await?;
    let remembered = Remembered {
        login,
        epoch: sight.epoch().to_owned(),
        seen_at: ports.clock.now(),
        ..remembered
    };
    store(ports, session, &remembered).await?;
    let end = end_of(ports, &remembered);
    note_session::goes_on(ports, &remembered.login, end).await
}

/// Forgets the login. The answer must carry the returned cookie.
pub async fn end(session: &Session, cookies: &Cookies) -> Result<Option<HeaderValue>, Failure> {
    session.flush().await.map_err(broken)?;
    Ok(cookies.remove_session())
}

/// The state of a browser with this session, if it has one (OIDC Session Management §3.2).
pub fn browser_state(session: &Session) -> Option<String> {
    session
        .id()
        .map(|id| session_state::browser_state(&id.0.to_be_bytes()))
}

/// When the session ends by itself if it is not used again.
fn end_of(ports: &Ports, remembered: &Remembered) -> Timestamp {
    let lifetimes = &ports.settings.lifetimes;
    match remembered.duration {
        SessionDuration::Browser => {
            let absolute = remembered.started_at.plus(lifetimes.session_absolute);
            absolute.min(remembered.seen_at.plus(lifetimes.session_idle))
        }
        SessionDuration::Remembered => remembered.started_at.plus(lifetimes.session_remembered),
    }
}

async fn store(ports: &Ports, session: &Session, remembered: &Remembered) -> Result<(), Failure> {
    session.set_expiry(Some(match remembered.duration {
        SessionDuration::Browser => Expiry::OnSessionEnd,
        SessionDuration::Remembered => {
            let end = remembered
                .started_at
                .plus(ports.settings.lifetimes.session_remembered);
            // By our clock, not by the one that tower-sessions would look at.
            time::OffsetDateTime::from_unix_timestamp(end.0)
                .map_or(Expiry::OnSessionEnd, Expiry::AtDateTime)
        }
    }));
    session.insert(KEY, remembered).await.map_err(broken)?;
    // Saved here and not by the layer, which would answer a failure with a bare 500.
    session.save().await.map_err(broken)
}

fn broken(error: tower_sessions::session::Error) -> Failure {
    use tower_sessions::session::Error;
    match error {
        Error::Store(_) => Failure::Unavailable("the session store", Some(Box::new(error))),
        Error::SerdeJson(_) => Failure::Broken("the session", Some(Box::new(error))),
    }
}
