//! Removing an account.

use crate::{
    application::{
        administration::Account,
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{administration::Right, event::EventKind, user::User},
};

/// Removes the user with this login name, with password, roles, consents and sessions. Every token dies with
/// the account, on every node. The trail keeps what it tells of them by their identifier.
pub async fn delete_user(
    registrar: &Registrar,
    account: impl Into<Account<'_>>,
) -> Result<User, RegistrarError> {
    registrar.may(Right::UsersWrite)?;
    let alone = registrar.alone().await?;
    let work = alone.work();
    let user = registrar.take(work, account.into()).await?;
    work.delete_user(&user.id).await?;
    let about = About {
        user: Some(user.id.clone()),
        ..About::default()
    };
    registrar
        .record_in(work, EventKind::UserDeleted, about)
        .await?;
    alone.commit().await?;
    Ok(user)
}
