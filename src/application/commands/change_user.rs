//! Changing an account: password and status.

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    application::{
        new_password::hash_new,
        ports::Users,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        event::EventKind,
        user::{User, UserStatus, canonical_login_name},
    },
};

/// Gives the user with this login name a new password. Whoever knew the old one may be logged in, so
/// every session and token from before ends.
pub async fn set_password(
    registrar: &Registrar,
    name: &str,
    password: &SecretString,
) -> Result<User, RegistrarError> {
    let user = find_user(registrar.store.reader(), name).await?;
    // Hashing is slow: before the transaction, not inside.
    let hash = hash_new(&*registrar.passwords, password.expose_secret(), &user).await?;
    let now = registrar.clock.now();
    let work = registrar.store.begin().await?;
    let mut user = find_user(&*work, name).await?;
    user.end_everything(now);
    user.unlock();
    work.update_user(&user).await?;
    work.set_password(&user.id, &hash, now).await?;
    let about = about(&user);
    registrar
        .record_in(&*work, EventKind::PasswordChanged, about)
        .await?;
    work.commit().await?;
    Ok(user)
}

/// Lets the user with this login name try passwords again at once, wherever wrong ones came from.
/// The counters live in the state store under names that the user's record is part of, so that
/// changing the record is enough, on every node.
pub async fn unlock(registrar: &Registrar, name: &str) -> Result<User, RegistrarError> {
    let work = registrar.store.begin().await?;
    let mut user = find_user(&*work, name).await?;
    user.unlock();
    work.update_user(&user).await?;
    registrar
        .record_in(&*work, EventKind::UserUnlocked, about(&user))
        .await?;
    work.commit().await?;
    Ok(user)
}

/// Locks the user with this login name out, or lets them in again.
pub async fn set_user_status(
    registrar: &Registrar,
    name: &str,
    status: UserStatus,
) -> Result<User, RegistrarError> {
    let now = registrar.clock.now();
    let work = registrar.store.begin().await?;
    let mut user = find_user(&*work, name).await?;
    if user.status == status {
        return Ok(user);
    }
    let kind = match status {
        UserStatus::Active => {
            user.activate(now);
            EventKind::UserActivated
        }
        UserStatus::Inactive => {
            user.deactivate(now);
            EventKind::UserDeactivated
        }
    };
    work.update_user(&user).await?;
    registrar.record_in(&*work, kind, about(&user)).await?;
    work.commit().await?;
    Ok(user)
}

fn about(user: &User) -> About {
    About {
        user: Some(user.id.clone()),
        ..About::default()
    }
}

/// The user with this username or email address.
pub(super) async fn find_user<U: Users + ?Sized>(
    work: &U,
    name: &str,
) -> Result<User, RegistrarError> {
    let not_found = || RegistrarError::NotFound("user", name.to_owned());
    let canonical = canonical_login_name(name).map_err(|_| not_found())?;
    let found = work.user_by_login(&canonical).await?;
    found.map(|(user, _)| user).ok_or_else(not_found)
}
