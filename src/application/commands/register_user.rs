//! Making an account.

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    application::{
        new_password::hash_new,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        administration::Right,
        event::EventKind,
        id::UserId,
        profile::ProfileField,
        time::Timestamp,
        user::{Email, Profile, User, UserStatus, Username},
    },
};

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
    registrar.may(Right::UsersWrite)?;
    let username = Username::parse(&command.username)
        .map_err(|error| RegistrarError::invalid("username", error))?;
    let (email, proof) = match &command.email {
        Some((text, proof)) => (Some(parse_email(text)?), *proof),
        None => (None, EmailProof::Unverified),
    };
    let mut profile = command.profile;
    check(&mut profile)?;
    let now = registrar.clock.now();
    let user = User {
        id: UserId::new(registrar.uuid()),
        username,
        email,
        email_verified: proof == EmailProof::Verified,
        profile,
        status: UserStatus::Active,
        not_before: Timestamp(0),
        security_version: 0,
        created_at: now,
        updated_at: now,
        login_epoch: 0,
        deletion_due: None,
    };
    // Hashing is slow: before the transaction, not inside.
    let hash = match &command.password {
        Some(password) => {
            Some(hash_new(&*registrar.passwords, password.expose_secret(), &user).await?)
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

/// What cannot stand in a field is refused; what can is brought into its form.
fn check(profile: &mut Profile) -> Result<(), RegistrarError> {
    let verified = profile.phone_number_verified;
    for field in ProfileField::ALL {
        if let Some(value) = field.of(profile) {
            let value = field
                .parse(&value)
                .map_err(|misfit| RegistrarError::invalid(field.claim(), misfit))?;
            field.set(profile, value);
        }
    }
    profile.phone_number_verified = verified;
    Ok(())
}

fn parse_email(text: &str) -> Result<Email, RegistrarError> {
    Email::parse(text).map_err(|error| RegistrarError::invalid("email", error))
}
