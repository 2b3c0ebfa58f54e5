//! Changing an account: password and status.

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    application::{
        administration::Account,
        new_password::hash_new,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{
        administration::Right,
        event::EventKind,
        user::{User, UserStatus},
    },
};

/// Gives the user with this login name a new password. Whoever knew the old one may be logged in, so
/// every session and token from before ends.
pub async fn set_password(
    registrar: &Registrar,
    account: impl Into<Account<'_>>,
    password: &SecretString,
) -> Result<User, RegistrarError> {
    registrar.may(Right::UsersWrite)?;
    let account = account.into();
    let user = account.find(registrar.store.reader()).await?;
    // Hashing is slow: before the transaction, not inside.
    let hash = hash_new(&*registrar.passwords, password.expose_secret(), &user).await?;
    let now = registrar.clock.now();
    let work = registrar.store.begin().await?;
    let mut user = registrar.take(&*work, account).await?;
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
pub async fn unlock(
    registrar: &Registrar,
    account: impl Into<Account<'_>>,
) -> Result<User, RegistrarError> {
    registrar.may(Right::UsersWrite)?;
    let work = registrar.store.begin().await?;
    let mut user = registrar.take(&*work, account.into()).await?;
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
    account: impl Into<Account<'_>>,
    status: UserStatus,
) -> Result<User, RegistrarError> {
    registrar.may(Right::UsersWrite)?;
    let now = registrar.clock.now();
    let alone = registrar.alone().await?;
    let work = alone.work();
    let mut user = registrar.take(work, account.into()).await?;
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
    registrar.record_in(work, kind, about(&user)).await?;
    alone.commit().await?;
    Ok(user)
}

fn about(user: &User) -> About {
    About {
        user: Some(user.id.clone()),
        ..About::default()
    }
}
