//! A new password for somebody who cannot show the old one: who receives the account's mail may set it
//! (ASVS 6.4). Without a link or its code there is no way to it (security.md 157).

use crate::{
    application::{
        Failure, NewPasswordError, Ports,
        mail::{Mail, Message},
        new_password::hash_new,
        one_time::{self, Addressee, Fresh, Proof},
        trail::{About, Origin},
    },
    domain::{
        event::EventKind,
        one_time::{OneTimeLink, Purpose},
        password::Unfit,
        user::{Email, User, canonical_login_name},
    },
};

/// The page of the link.
pub(super) const PAGE: &str = "/reset";
/// What a link to that page may be for.
pub const PURPOSES: [Purpose; 2] = [Purpose::ResetPassword, Purpose::Invitation];

/// Somebody says that they forgot their password.
#[derive(Debug)]
pub struct AskForReset {
    /// How the link will be called.
    pub id: String,
    /// Username or email address as typed.
    pub name: String,
    /// The sign-in that waits.
    pub way_on: Option<String>,
}

/// Why no password was set.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The link or code is unknown, for something else, used, too old, or was tried too often.
    #[error("the link or code is not valid any more")]
    Worthless,
    /// The password may not be chosen. The link is as good as before.
    #[error("the password {0}")]
    Unfit(Unfit),
    /// Nothing to do with the person.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<NewPasswordError> for ResetError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Unfit(unfit) => Self::Unfit(unfit),
            NewPasswordError::Hash(error) => Self::Failure(error.into()),
        }
    }
}

/// Sends a link, if there is an account that can get one. Who asked has been answered before: this runs
/// off the request's path, so that its time tells nothing (security.md 142). A name that nobody has
/// gets a link too, which is mailed to nobody, so that trying a code costs the same.
pub async fn ask_for_reset(
    ports: &Ports,
    command: AskForReset,
    origin: &Origin,
) -> Result<(), Failure> {
    let recipient = recipient(ports, &command.name).await?;
    let to = Addressee {
        user: recipient.as_ref().map(|(user, _)| user),
        email: recipient.as_ref().map(|(_, email)| email),
    };
    let purpose = Purpose::ResetPassword;
    let fresh = Fresh::make(ports, purpose, &command.id, &to, command.way_on);
    let work = ports.store.begin().await?;
    work.add_link(&fresh.link).await?;
    if let Some((user, email)) = &recipient {
        let mail = Mail {
            to: email.clone(),
            locale: user.profile.locale.clone(),
            message: Message::ResetPassword(fresh.letter(PAGE)),
        };
        ports.enqueue_mail(&*work, &mail).await?;
        ports
            .record_in(&*work, EventKind::PasswordResetAsked, origin, about(user))
            .await?;
    }
    Ok(work.commit().await?)
}

async fn recipient(ports: &Ports, name: &str) -> Result<Option<(User, Email)>, Failure> {
    let Ok(name) = canonical_login_name(name) else {
        return Ok(None);
    };
    let found = ports.store.reader().user_by_login(&name).await?;
    let Some(user) = found.map(|(user, _)| user).filter(User::is_active) else {
        return Ok(None);
    };
    let Some(email) = user.email.clone() else {
        return Ok(None);
    };
    let may_mail = one_time::may_mail(ports, &email, Purpose::ResetPassword).await?;
    Ok(may_mail.then_some((user, email)))
}

/// Sets the password of the account that `proof` opens, which uses the link up, and ends every session and
/// token from before. The link, for the way on.
pub async fn reset_password(
    ports: &Ports,
    proof: Proof<'_>,
    password: &str,
    origin: &Origin,
) -> Result<OneTimeLink, ResetError> {
    let link = one_time::find(ports, &PURPOSES, proof).await?;
    let link = link.ok_or(ResetError::Worthless)?;
    let id = link.user.clone().ok_or(ResetError::Worthless)?;
    let user = ports.store.reader().user(&id).await;
    let user = opened(ports, &link, user.map_err(Failure::from)?)?;
    // Hashing is slow: before the transaction, not inside.
    let hash = hash_new(&*ports.passwords, password, &user).await?;
    let now = ports.clock.now();
    let work = ports.store.begin().await.map_err(Failure::from)?;
    let user = work.user(&id).await.map_err(Failure::from)?;
    let mut user = opened(ports, &link, user)?;
    if !work.use_link(&link.id, now).await.map_err(Failure::from)? {
        return Err(ResetError::Worthless);
    }
    user.end_everything(now);
    user.unlock();
    user.email_verified |= link.email.is_some() && link.email == user.email;
    let stored = async {
        work.update_user(&user).await?;
        work.set_password(&user.id, &hash, now).await?;
        ports
            .record_in(&*work, EventKind::PasswordChanged, origin, about(&user))
            .await?;
        work.commit().await
    };
    stored.await.map_err(Failure::from)?;
    Ok(link)
}

fn opened(ports: &Ports, link: &OneTimeLink, user: Option<User>) -> Result<User, ResetError> {
    let now = ports.clock.now();
    user.filter(|user| link.opens(user, now))
        .ok_or(ResetError::Worthless)
}

fn about(user: &User) -> About {
    About {
        user: Some(user.id.clone()),
        ..About::default()
    }
}
