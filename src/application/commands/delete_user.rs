//! Removing an account.

use super::change_user::find_user;
use crate::{
    application::{
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{event::EventKind, user::User},
};

/// Removes the user with this login name, with password, roles, consents and sessions. Every token dies with
/// the account, on every node. The trail keeps what it tells of them by their identifier.
pub async fn delete_user(registrar: &Registrar, name: &str) -> Result<User, RegistrarError> {
    let work = registrar.store.begin().await?;
    let user = find_user(&*work, name).await?;
    if !work.delete_user(&user.id).await? {
        return Err(RegistrarError::NotFound("user", name.to_owned()));
    }
    let about = About {
        user: Some(user.id.clone()),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::UserDeleted, about)
        .await?;
    work.commit().await?;
    Ok(user)
}
