//! A user says something else about themselves.

use crate::{
    application::{
        Failure, Ports,
        trail::{self, About, Origin},
    },
    domain::{
        event::{Actor, EventKind},
        id::UserId,
        profile::ProfileField,
    },
};

/// Puts these values into the fields of the profile, all others stay. False if nothing is another.
pub async fn change_profile(
    ports: &Ports,
    user: &UserId,
    values: &[(ProfileField, Option<String>)],
    origin: &Origin,
) -> Result<bool, Failure> {
    let work = ports.store.begin().await?;
    let Some(mut user) = work.user(user).await? else {
        return Ok(false);
    };
    let before = user.profile.clone();
    for (field, value) in values {
        field.set(&mut user.profile, value.clone());
    }
    if user.profile == before {
        return Ok(false);
    }
    user.updated_at = ports.clock.now();
    work.update_user(&user).await?;
    let about = About {
        actor: Some(Actor::User(user.id.clone())),
        user: Some(user.id.clone()),
        detail: Some(trail::changes(&before, &user.profile)),
        ..About::default()
    };
    ports
        .record_in(&*work, EventKind::UserChanged, origin, about)
        .await?;
    work.commit().await?;
    Ok(true)
}
