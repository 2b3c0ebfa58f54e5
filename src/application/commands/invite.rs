//! Inviting the user of an account that somebody else made to choose a password.

use super::reset_password::PAGE;
use crate::{
    application::{
        Failure, Ports,
        administration::Account,
        mail::{Link, Mail, Message},
        one_time::{Addressee, Fresh, LIFETIME},
        registrar::{Registrar, RegistrarError},
        trail::{About, Origin},
    },
    domain::{
        administration::Right,
        event::EventKind,
        one_time::{OneTimeLink, Purpose},
        secret::SecretDigest,
        user::User,
    },
};

/// Sends an invitation. False if there is no address to send it to.
pub async fn invite(ports: &Ports, user: &User, origin: &Origin) -> Result<bool, Failure> {
    let Some(email) = &user.email else {
        return Ok(false);
    };
    let to = Addressee {
        user: Some(user),
        email: Some(email),
    };
    let fresh = Fresh::make(ports, Purpose::Invitation, &ports.identifier(), &to, None);
    let mail = Mail {
        to: email.clone(),
        locale: user.profile.locale.clone(),
        message: Message::Invitation(fresh.letter(PAGE)),
    };
    let work = ports.store.begin().await?;
    work.add_link(&fresh.link).await?;
    ports.enqueue_mail(&*work, &mail).await?;
    ports
        .record_in(&*work, EventKind::UserInvited, origin, about(user))
        .await?;
    work.commit().await?;
    Ok(true)
}

/// A link with which the user of this login name chooses a password, for the operator to hand over. No
/// address is proved by it, and there is no code.
pub async fn invitation(
    registrar: &Registrar,
    account: impl Into<Account<'_>>,
) -> Result<(User, Link), RegistrarError> {
    registrar.may(Right::UsersWrite)?;
    let token = registrar.secret();
    let now = registrar.clock.now();
    let work = registrar.store.begin().await?;
    let user = registrar.take(&*work, account.into()).await?;
    let link = OneTimeLink {
        id: registrar.uuid(),
        secret: SecretDigest::of(&token),
        // Opens for no code.
        sealed_code: Vec::new(),
        purpose: Purpose::Invitation,
        user: Some(user.id.clone()),
        email: None,
        security_version: user.security_version,
        way_on: None,
        created_at: now,
        expires_at: now.plus(LIFETIME),
    };
    work.add_link(&link).await?;
    registrar
        .record_in(&*work, EventKind::UserInvited, about(&user))
        .await?;
    work.commit().await?;
    Ok((user, Link::with_token(PAGE, &token)))
}

fn about(user: &User) -> About {
    About {
        user: Some(user.id.clone()),
        ..About::default()
    }
}
