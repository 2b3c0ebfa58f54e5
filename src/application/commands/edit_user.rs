//! Changing what is known of a user: names, address, the standard claims; and ending all sessions.

use crate::{
    application::{
        administration::Account,
        registrar::{Registrar, RegistrarError},
        trail::{self, About},
    },
    domain::{
        administration::Right,
        event::EventKind,
        profile::ProfileField,
        user::{Email, User, Username},
    },
};

/// What is to be another. What is absent stays as it is.
#[derive(Default)]
pub struct UserEdit {
    /// The name to log in with, as typed.
    pub username: Option<String>,
    /// The address, as typed; `Some(None)` removes it. Another one is not verified.
    pub email: Option<Option<String>>,
    /// Whether the operator vouches for the address.
    pub email_verified: Option<bool>,
    /// Fields of the profile as typed; an empty text removes one.
    pub profile: Vec<(ProfileField, String)>,
}

/// Changes the user with this login name. Sessions and tokens stay; the next answer of userinfo and the next
/// ID token say what is new.
pub async fn edit_user(
    registrar: &Registrar,
    account: impl Into<Account<'_>>,
    edit: UserEdit,
) -> Result<User, RegistrarError> {
    registrar.may(Right::UsersWrite)?;
    let work = registrar.store.begin().await?;
    let before = registrar.take(&*work, account.into()).await?;
    let mut user = before.clone();
    apply(&mut user, edit)?;
    if user == before {
        return Ok(user);
    }
    user.updated_at = registrar.clock.now();
    work.update_user(&user).await?;
    let about = About {
        user: Some(user.id.clone()),
        detail: Some(trail::changes(&before, &user)),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::UserChanged, about)
        .await?;
    work.commit().await?;
    Ok(user)
}

fn apply(user: &mut User, edit: UserEdit) -> Result<(), RegistrarError> {
    if let Some(username) = edit.username {
        user.username = Username::parse(&username)
            .map_err(|error| RegistrarError::invalid("username", error))?;
    }
    if let Some(email) = edit.email {
        let email = email.as_deref().map(Email::parse).transpose();
        let email = email.map_err(|error| RegistrarError::invalid("email", error))?;
        if user.email != email {
            user.email_verified = false;
        }
        user.email = email;
    }
    if let Some(verified) = edit.email_verified {
        if verified && user.email.is_none() {
            return Err(RegistrarError::invalid(
                "email",
                "there is none to vouch for",
            ));
        }
        user.email_verified = verified;
    }
    for (field, typed) in edit.profile {
        let value = field
            .parse(&typed)
            .map_err(|misfit| RegistrarError::invalid(field.claim(), misfit))?;
        field.set(&mut user.profile, value);
    }
    Ok(())
}

/// Ends every session and token of the user with this login name, on every node within a second.
pub async fn end_sessions(
    registrar: &Registrar,
    account: impl Into<Account<'_>>,
) -> Result<User, RegistrarError> {
    registrar.may(Right::UsersWrite)?;
    let work = registrar.store.begin().await?;
    let mut user = registrar.take(&*work, account.into()).await?;
    user.end_everything(registrar.clock.now());
    work.update_user(&user).await?;
    let about = About {
        user: Some(user.id.clone()),
        detail: Some(serde_json::json!({ "sessions": "all" })),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::LoggedOut, about)
        .await?;
    work.commit().await?;
    Ok(user)
}
