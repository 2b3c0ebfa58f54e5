//! Making an account.

use secrecy::{ExposeSecret as _, SecretString};

use super::log_in::MAX_PASSWORD_BYTES;
use crate::{
    application::{
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        event::EventKind,
        id::UserId,
        time::Timestamp,
        user::{Email, Profile, User, UserStatus, Username},
    },
};

/// Characters of a password at least (NIST SP 800-63B-4 §3.1.1.2 asks for eight where a password is
/// one factor of several; alone it should be longer, and the operator may insist).
const LEAST_PASSWORD: usize = 8;

/// An account to be.
pub struct RegisterUser {
    /// The name to log in with, as typed.
    pub username: String,
    /// The address, as typed, and whether it is known to be the user's.
    pub email: Option<(String, EmailProof)>,
    /// The other standard claims.
    pub profile: Profile,
    /// The password; without one the user cannot log in yet.
    pub password: Option<SecretString>,
}

/// Whether an email address is known to be the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailProof {
    /// The operator vouches for it.
    Verified,
    /// Nobody has checked.
    Unverified,
}

/// Makes an account.
pub async fn register_user(
    registrar: &Registrar,
    command: RegisterUser,
) -> Result<User, RegistrarError> {
    let username = Username::parse(&command.username)
        .map_err(|error| RegistrarError::invalid("username", error))?;
    let (email, proof) = match &command.email {
        Some((text, proof)) => (Some(parse_email(text)?), *proof),
        None => (None, EmailProof::Unverified),
    };
    let now = registrar.clock.now();
    let user = User {
        id: UserId::new(registrar.uuid()),
        username,
        email,
        email_verified: proof == EmailProof::Verified,
        profile: command.profile,
        status: UserStatus::Active,
        not_before: Timestamp(0),
        security_version: 0,
        created_at: now,
        updated_at: now,
        login_epoch: 0,
    };
    // Hashing is slow: before the transaction, not inside.
    let hash = match &command.password {
        Some(password) => {
            check_password(password)?;
            Some(registrar.passwords.hash(password.expose_secret()).await?)
        }
        None => None,
    };
    let work = registrar.store.begin().await?;
    work.add_user(&user).await?;
    if let Some(hash) = &hash {
        work.set_password(&user.id, hash, now).await?;
    }
    let about = About {
        user: Some(user.id.clone()),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::UserCreated, about)
        .await?;
    work.commit().await?;
    Ok(user)
}

fn parse_email(text: &str) -> Result<Email, RegistrarError> {
    Email::parse(text).map_err(|error| RegistrarError::invalid("email", error))
}

/// Length is all that is asked (NIST SP 800-63B-4 §3.1.1.2: no rules of composition).
pub(super) fn check_password(password: &SecretString) -> Result<(), RegistrarError> {
    let password = password.expose_secret();
    if password.chars().count() < LEAST_PASSWORD {
        let problem = format!("must have at least {LEAST_PASSWORD} characters");
        return Err(RegistrarError::invalid("password", problem));
    }
    if password.len() > MAX_PASSWORD_BYTES {
        let problem = format!("must have at most {MAX_PASSWORD_BYTES} bytes");
        return Err(RegistrarError::invalid("password", problem));
    }
    Ok(())
}
