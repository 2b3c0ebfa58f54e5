//! Logging in with a password.
//!
//! One answer and one duration for every refusal: an unknown account hashes a decoy in the same
//! queue. Attempts are counted before any hash is computed, so parallel guesses gain nothing.

use std::time::Duration;

use serde_json::json;

use crate::{
    application::{
        Failure, Ports,
        login_limits::{self, Attempt, TooMany},
        ports::PasswordCheck,
        trail::{About, Origin},
    },
    domain::{
        event::EventKind,
        grant::Authentication,
        id::{ClientId, SessionId},
        password,
        user::{PasswordHash, User, canonical_login_name},
    },
    protocol::{
        authentication::{ACR_PASSWORD, AMR_PASSWORD, Login},
        known_device::Device,
    },
};

/// Bytes of a password at most; longer ones are refused before any hashing.
pub const MAX_PASSWORD_BYTES: usize = password::MOST_BYTES;

/// What a person typed, and where.
pub struct LogIn<'a> {
    /// Username or email address.
    pub name: &'a str,
    /// Password.
    pub password: &'a str,
    /// The login that the browser has already. The same user keeps the session, and with it `sid`.
    pub current: Option<&'a Login>,
    /// What the browser shows of earlier logins.
    pub device: Option<&'a Device>,
    /// The application that waits for the login.
    pub client: Option<&'a ClientId>,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// Wrong password, unknown or inactive account: all the same.
    #[error("wrong name or password")]
    Rejected,
    /// Too many attempts for this account or from this network.
    #[error("too many attempts")]
    Throttled {
        /// Until it may be tried again.
        wait: Duration,
    },
    /// The password is longer than [`MAX_PASSWORD_BYTES`].
    #[error("the password is too long")]
    TooLong,
    /// Nothing to do with the person.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Checks name and password and begins a session.
pub async fn log_in(
    ports: &Ports,
    command: LogIn<'_>,
    origin: &Origin,
) -> Result<Login, LogInError> {
    if command.password.len() > MAX_PASSWORD_BYTES {
        return Err(LogInError::TooLong);
    }
    // A name that no account can have still takes the time and the counters of one that might exist.
    let name = canonical_login_name(command.name).unwrap_or_else(|_| "\u{fffd}".to_owned());
    let found = ports
        .store
        .reader()
        .user_by_login(&name)
        .await
        .map_err(Failure::from)?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
    let attempt = Attempt {
        name: &name,
        user: user.as_ref(),
        device: command.device,
        client: command.client,
        origin,
    };
    let counted = login_limits::reserve(ports, &attempt)
        .await?
        .map_err(|TooMany { wait }| LogInError::Throttled { wait })?;
    let check = ports
        .passwords
        .verify(command.password, hash.as_ref())
        .await
        .map_err(Failure::from)?;
    match (&user, check) {
        (Some(user), PasswordCheck::Correct | PasswordCheck::CorrectButOutdated)
            if user.is_active() && hash.is_some() =>
        {
            login_limits::forget(ports, &counted).await?;
            let rehashed = rehash(ports, command.password, check).await;
            let login = succeed(ports, user, rehashed, &attempt).await?;
            Ok(in_session_of(command.current, login))
        }
        _ => {
            login_limits::fail(ports, &counted).await?;
            fail(ports, &attempt).await?;
            Err(LogInError::Rejected)
        }
    }
}

/// Hashes anew what was hashed with weaker parameters. Busy workers only postpone it.
async fn rehash(ports: &Ports, password: &str, check: PasswordCheck) -> Option<PasswordHash> {
    match check {
        PasswordCheck::CorrectButOutdated => ports.passwords.hash(password).await.ok(),
        PasswordCheck::Correct | PasswordCheck::Wrong => None,
    }
}

async fn succeed(
    ports: &Ports,
    user: &User,
    rehashed: Option<PasswordHash>,
    attempt: &Attempt<'_>,
) -> Result<Login, Failure> {
    let (client, origin) = (attempt.client, attempt.origin);
    let device = match login_limits::known(ports, attempt) {
        Some(_) => "known",
        None => "new",
    };
    let now = ports.clock.now();
    if let Some(hash) = rehashed {
        let work = ports.store.begin().await?;
        work.set_password(&user.id, &hash, now).await?;
        work.commit().await?;
    }
    let about = About {
        user: Some(user.id.clone()),
        client: client.cloned(),
        detail: Some(json!({ "device": device })),
        ..About::default()
    };
    ports
        .record(EventKind::LoginSucceeded, origin, about)
        .await?;
    tracing::info!(
        user = user.id.as_str(),
        client = client.map(ClientId::as_str),
        "login succeeded"
    );
    let authentication = Authentication {
        time: now,
        acr: ACR_PASSWORD.to_owned(),
        amr: vec![AMR_PASSWORD.to_owned()],
        session: SessionId::new(ports.identifier()),
        version: user.security_version,
    };
    Ok(Login {
        user: user.id.clone(),
        authentication,
    })
}

/// A fresh proof in a session that the same user has already does not begin another one.
fn in_session_of(current: Option<&Login>, mut login: Login) -> Login {
    if let Some(current) = current.filter(|current| current.user == login.user) {
        login.authentication.session = current.authentication.session.clone();
    }
    login
}

/// Notes who could not log in. A name without an account is written nowhere: people type passwords
/// into the wrong field.
async fn fail(ports: &Ports, attempt: &Attempt<'_>) -> Result<(), Failure> {
    tracing::info!(
        user = attempt.user.map(|user| user.id.as_str()),
        client = attempt.client.map(ClientId::as_str),
        "login failed"
    );
    let about = About {
        user: attempt.user.map(|user| user.id.clone()),
        client: attempt.client.cloned(),
        ..About::default()
    };
    let (kind, origin) = (EventKind::LoginFailed, attempt.origin);
    // Attempts at an account are bounded by its limits; at names that nobody has they are not.
    let noted = match attempt.user {
        Some(_) => ports.record(kind, origin, about).await,
        None => ports.refused(kind, origin, about).await,
    };
    Ok(noted?)
}
