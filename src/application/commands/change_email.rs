//! Another address in place of the account's: it has to be proved first, and the old one is told
//! (ASVS 6.3.7).

use crate::{
    application::{
        Failure, Ports,
        mail::{Mail, Message, Occurrence},
        one_time::{self, Addressee, Fresh, Proof},
        ports::StoreError,
        trail::{About, Origin},
    },
    domain::{
        event::EventKind,
        id::UserId,
        one_time::Purpose,
        user::{Email, User},
    },
};

/// The page of the link.
const PAGE: &str = "/account/email";

/// Why the address is the old one.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// The link or code is unknown, for something else, used, too old, or was tried too often; or
    /// somebody else has proved the address meanwhile.
    #[error("the link or code is not valid any more")]
    Worthless,
    /// Nothing to do with the person.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Sends a link named `id` to the new address. Runs off the request's path: an address that another
/// account has gets no mail, and nobody can tell.
pub async fn ask_for_new_email(
    ports: &Ports,
    id: &str,
    (user, email): (&User, &Email),
) -> Result<(), Failure> {
    let taken = ports.store.reader().user_by_login(email.as_str()).await?;
    let is_free = taken.is_none() && one_time::may_mail(ports, email, Purpose::NewEmail).await?;
    let to = Addressee {
        user: is_free.then_some(user),
        email: is_free.then_some(email),
    };
    let fresh = Fresh::make(ports, Purpose::NewEmail, id, &to, None);
    let work = ports.store.begin().await?;
    work.add_link(&fresh.link).await?;
    if is_free {
        let mail = Mail {
            to: email.clone(),
            locale: user.profile.locale.clone(),
            message: Message::ConfirmNewEmail(fresh.letter(PAGE)),
        };
        ports.enqueue_mail(&*work, &mail).await?;
    }
    Ok(work.commit().await?)
}

/// Puts the proved address in the place of the old one, which is told. Uses the link up.
pub async fn confirm_new_email(
    ports: &Ports,
    proof: Proof<'_>,
    origin: &Origin,
) -> Result<(), ConfirmError> {
    let link = one_time::find(ports, &[Purpose::NewEmail], proof).await?;
    let link = link.ok_or(ConfirmError::Worthless)?;
    let (Some(id), Some(email)) = (&link.user, &link.email) else {
        return Err(ConfirmError::Worthless);
    };
    let now = ports.clock.now();
    let changed = async {
        let work = ports.store.begin().await?;
        let user = work.user(id).await?.filter(|user| link.opens(user, now));
        let Some(mut user) = user else {
            return Ok(false);
        };
        if !work.use_link(&link.id, now).await? {
            return Ok(false);
        }
        let old = user.email.replace(email.clone());
        user.email_verified = true;
        user.updated_at = now;
        work.update_user(&user).await?;
        ports
            .record_in(&*work, EventKind::EmailChanged, origin, about(id))
            .await?;
        if let Some(old) = old {
            let occurrence = Occurrence {
                at: now,
                address: origin.address.clone(),
            };
            let mail = Mail {
                to: old,
                locale: user.profile.locale.clone(),
                message: Message::EmailChanged { occurrence },
            };
            ports.enqueue_mail(&*work, &mail).await?;
        }
        work.commit().await?;
        Ok(true)
    };
    match changed.await {
        Ok(true) => Ok(()),
        Ok(false) | Err(StoreError::Conflict(_)) => Err(ConfirmError::Worthless),
        Err(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) => {
            Err(ConfirmError::Failure(error.into()))
        }
    }
}

fn about(user: &UserId) -> About {
    About {
        user: Some(user.clone()),
        ..About::default()
    }
}
