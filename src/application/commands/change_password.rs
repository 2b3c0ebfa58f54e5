//! A user changes the own password, or ends all own sessions.

use std::time::Duration;

use crate::{
    application::{
        Failure, NewPasswordError, Ports,
        login_limits::{self, Attempt, TooMany},
        new_password::hash_new,
        ports::PasswordCheck,
        trail::{About, Origin},
    },
    domain::{
        event::EventKind,
        id::UserId,
        password::{MOST_BYTES, Unfit},
        user::User,
    },
    protocol::{authentication::Login, known_device::Device},
};

/// How a user who is logged in proves it anew: whoever finds a browser open must not be able to keep the
/// account (ASVS 6.2.3, security.md 160).
#[derive(Clone, Copy)]
pub struct Proven<'a> {
    /// The login of the browser.
    pub login: &'a Login,
    /// What the browser shows of earlier logins.
    pub device: Option<&'a Device>,
    /// The current password, as typed.
    pub current: &'a str,
}

/// Why the password is the old one.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The current password is another one.
    #[error("wrong password")]
    Wrong,
    /// Too many attempts, counted with those of the login page.
    #[error("too many attempts")]
    Throttled {
        /// Until it may be tried again.
        wait: Duration,
    },
    /// The new password may not be chosen.
    #[error("the password {0}")]
    Unfit(Unfit),
    /// Nothing to do with the person.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<NewPasswordError> for ChangePasswordError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Unfit(unfit) => Self::Unfit(unfit),
            NewPasswordError::Hash(error) => Self::Failure(error.into()),
        }
    }
}

/// Changes the password and ends all other sessions, and every token. The login with which this browser
/// goes on.
pub async fn change_password(
    ports: &Ports,
    proven: Proven<'_>,
    new: &str,
    origin: &Origin,
) -> Result<Login, ChangePasswordError> {
    let user = prove(ports, proven, origin).await?;
    let hash = hash_new(&*ports.passwords, new, &user).await?;
    let stored = async {
        let now = ports.clock.now();
        let work = ports.store.begin().await?;
        let Some(mut user) = work.user(&user.id).await? else {
            return Ok(None);
        };
        user.end_everything(now);
        user.unlock();
        work.update_user(&user).await?;
        work.set_password(&user.id, &hash, now).await?;
        ports
            .record_in(&*work, EventKind::PasswordChanged, origin, about(&user.id))
            .await?;
        work.commit().await?;
        Ok::<_, Failure>(Some(user))
    };
    let user = stored.await?.ok_or(ChangePasswordError::Wrong)?;
    let mut login = proven.login.clone();
    login.authentication.version = user.security_version;
    Ok(login)
}

/// The user, if the current password is right. Counted like a login.
pub async fn prove(
    ports: &Ports,
    command: Proven<'_>,
    origin: &Origin,
) -> Result<User, ChangePasswordError> {
    if command.current.len() > MOST_BYTES {
        return Err(ChangePasswordError::Wrong);
    }
    let reader = ports.store.reader();
    let user = reader.user(&command.login.user).await;
    let user = user
        .map_err(Failure::from)?
        .ok_or(ChangePasswordError::Wrong)?;
    let found = reader.user_by_login(user.username.as_str()).await;
    let hash = found.map_err(Failure::from)?.and_then(|(_, hash)| hash);
    let attempt = Attempt {
        name: user.username.as_str(),
        user: Some(&user),
        device: command.device,
        client: None,
        origin,
    };
    let counted = login_limits::reserve(ports, &attempt)
        .await?
        .map_err(|TooMany { wait }| ChangePasswordError::Throttled { wait })?;
    let check = ports.passwords.verify(command.current, hash.as_ref()).await;
    match check.map_err(Failure::from)? {
        PasswordCheck::Correct | PasswordCheck::CorrectButOutdated => {
            login_limits::forget(ports, &counted).await?;
            Ok(user)
        }
        PasswordCheck::Wrong => {
            login_limits::fail(ports, &counted).await?;
            let recorded = ports
                .record(EventKind::LoginFailed, origin, about(&user.id))
                .await;
            recorded.map_err(Failure::from)?;
            Err(ChangePasswordError::Wrong)
        }
    }
}

/// Ends every session and token of a user, that of this browser too.
pub async fn end_all_sessions(
    ports: &Ports,
    user: &UserId,
    origin: &Origin,
) -> Result<(), Failure> {
    let work = ports.store.begin().await?;
    let Some(mut user) = work.user(user).await? else {
        return Ok(());
    };
    user.end_everything(ports.clock.now());
    work.update_user(&user).await?;
    let about = About {
        detail: Some(serde_json::json!({ "sessions": "all" })),
        ..about(&user.id)
    };
    ports
        .record_in(&*work, EventKind::LoggedOut, origin, about)
        .await?;
    Ok(work.commit().await?)
}

fn about(user: &UserId) -> About {
    About {
        user: Some(user.clone()),
        ..About::default()
    }
}
