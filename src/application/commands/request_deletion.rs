//! A user has the own account removed: it is locked at once, and gone after a grace.

use serde_json::json;

use super::change_password::{ChangePasswordError, Proven, prove};
use crate::{
    application::{
        Failure, Ports,
        mail::{Mail, Message, Occurrence},
        ports::{StoreError, UnitOfWork},
        trail::{About, Origin},
    },
    domain::{
        event::{Actor, EventKind},
        id::UserId,
        time::Timestamp,
        user::User,
    },
};

/// Why the account stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum RequestDeletionError {
    /// Nobody else may do everything.
    #[error("the last owner stays")]
    LastOwner,
    /// The user did not prove to be the one.
    #[error(transparent)]
    Unproven(#[from] ChangePasswordError),
}

impl From<StoreError> for RequestDeletionError {
    fn from(error: StoreError) -> Self {
        Self::Unproven(Failure::from(error).into())
    }
}

/// Locks the account, ends every session and token, and says when the account will be removed. Until then
/// an administrator who activates it keeps it.
pub async fn request_deletion(
    ports: &Ports,
    proven: Proven<'_>,
    origin: &Origin,
) -> Result<Timestamp, RequestDeletionError> {
    let user = prove(ports, proven, origin).await?;
    let now = ports.clock.now();
    let due = now.plus(ports.settings.deletion_grace);
    let work = ports.store.begin().await?;
    work.alone().await?;
    let had_owner = work.has_owner().await?;
    let mut user = work
        .user(&user.id)
        .await?
        .filter(User::is_active)
        .ok_or(ChangePasswordError::Wrong)?;
    user.request_deletion(now, due);
    work.update_user(&user).await?;
    if had_owner && !work.has_owner().await? {
        work.rollback().await?;
        return Err(RequestDeletionError::LastOwner);
    }
    let about = About {
        detail: Some(json!({ "due": due.0 })),
        ..about(&user.id)
    };
    ports
        .record_in(&*work, EventKind::DeletionRequested, origin, about)
        .await?;
    work.commit().await?;
    Ok(due)
}

/// Removes accounts whose time has come, as part of `work`; how many. The trail keeps what it tells of them
/// by their identifiers.
pub async fn remove_due_accounts(
    ports: &Ports,
    work: &dyn UnitOfWork,
    limit: u64,
) -> Result<u64, StoreError> {
    let now = ports.clock.now();
    let users = work.take_due_for_deletion(now, limit).await?;
    for user in &users {
        work.delete_user(&user.id).await?;
        let about = About {
            actor: Some(Actor::System),
            ..about(&user.id)
        };
        ports
            .record_in(work, EventKind::UserDeleted, &Origin::default(), about)
            .await?;
        if let Some(mail) = farewell(user, now) {
            ports.enqueue_mail(work, &mail).await?;
        }
    }
    Ok(users.len() as u64)
}

/// To the address that is known to be the user's, and to no other.
fn farewell(user: &User, now: Timestamp) -> Option<Mail> {
    let to = user.email.clone().filter(|_| user.email_verified)?;
    let occurrence = Occurrence {
        at: now,
        address: None,
    };
    Some(Mail {
        to,
        locale: user.profile.locale.clone(),
        message: Message::AccountDeleted { occurrence },
    })
}

fn about(user: &UserId) -> About {
    About {
        user: Some(user.clone()),
        ..About::default()
    }
}
