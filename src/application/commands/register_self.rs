//! Making an account of one's own, where the operator lets people do that: first the address is proved,
//! then there is an account. So nobody can wait in an account for the owner of its address to come
//! (pre-hijacking), and asking tells nothing about who has one.

use crate::{
    application::{
        Failure, NewPasswordError, Ports,
        mail::{Link, Mail, Message},
        new_password::hash_new,
        one_time::{self, Addressee, Fresh, Proof},
        ports::StoreError,
        trail::{About, Origin},
    },
    domain::{
        event::{Actor, EventKind},
        id::UserId,
        one_time::{OneTimeLink, Purpose},
        password::Unfit,
        time::Timestamp,
        user::{Email, LoginNameError, Profile, User, UserStatus, Username},
    },
};

/// The page of the link.
const PAGE: &str = "/register/finish";

/// Somebody wants an account.
#[derive(Debug)]
pub struct AskForAccount {
    /// How the link will be called.
    pub id: String,
    /// The address to be proved.
    pub email: Email,
    /// The sign-in that waits.
    pub way_on: Option<String>,
}

/// What somebody chose whose address is proved.
pub struct RegisterSelf<'a> {
    /// What proves the address.
    pub proof: Proof<'a>,
    /// The name to log in with, as typed.
    pub username: &'a str,
    /// `name`; empty for none.
    pub full_name: &'a str,
    /// The password.
    pub password: &'a str,
}

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The link or code is unknown, for something else, used, too old, or was tried too often; or the
    /// address has an account by now.
    #[error("the link or code is not valid any more")]
    Worthless,
    /// This is no username.
    #[error("the username {0}")]
    Username(LoginNameError),
    /// Somebody has this username.
    #[error("the username is taken")]
    Taken,
    /// The password may not be chosen.
    #[error("the password {0}")]
    Unfit(Unfit),
    /// Nothing to do with the person.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<NewPasswordError> for RegisterError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Unfit(unfit) => Self::Unfit(unfit),
            NewPasswordError::Hash(error) => Self::Failure(error.into()),
        }
    }
}

/// Sends a link, or says that there is an account already, to the address and to nobody else. Runs off the
/// request's path.
pub async fn ask_for_account(ports: &Ports, command: AskForAccount) -> Result<(), Failure> {
    let AskForAccount { id, email, way_on } = command;
    let found = ports.store.reader().user_by_login(email.as_str()).await?;
    let may_mail = one_time::may_mail(ports, &email, Purpose::Registration).await?;
    let to = Addressee {
        user: None,
        email: may_mail.then_some(&email),
    };
    let fresh = Fresh::make(ports, Purpose::Registration, &id, &to, way_on);
    let message = match found {
        None => Message::VerifyEmail(fresh.letter(PAGE)),
        Some(_) => Message::AlreadyRegistered {
            link: Link::to("/forgot"),
        },
    };
    let work = ports.store.begin().await?;
    work.add_link(&fresh.link).await?;
    if may_mail {
        let mail = Mail {
            to: email,
            locale: None,
            message,
        };
        ports.enqueue_mail(&*work, &mail).await?;
    }
    Ok(work.commit().await?)
}

/// Makes the account. Uses the link up; the link, for the way on.
pub async fn register_self(
    ports: &Ports,
    command: RegisterSelf<'_>,
    origin: &Origin,
) -> Result<OneTimeLink, RegisterError> {
    let link = one_time::find(ports, &[Purpose::Registration], command.proof).await?;
    let link = link.ok_or(RegisterError::Worthless)?;
    let email = link.email.clone().ok_or(RegisterError::Worthless)?;
    if !ports.settings.registration.admits(&email) {
        return Err(RegisterError::Worthless);
    }
    let username = Username::parse(command.username).map_err(RegisterError::Username)?;
    let now = ports.clock.now();
    let full_name = command.full_name.trim();
    let user = User {
        id: UserId::new(uuid(ports)),
        username,
        email: Some(email),
        email_verified: true,
        profile: Profile {
            full_name: (!full_name.is_empty()).then(|| full_name.to_owned()),
            ..Profile::default()
        },
        status: UserStatus::Active,
        not_before: Timestamp(0),
        security_version: 0,
        created_at: now,
        updated_at: now,
        login_epoch: 0,
        deletion_due: None,
    };
    let hash = hash_new(&*ports.passwords, command.password, &user).await?;
    let made = async {
        let work = ports.store.begin().await?;
        if !work.use_link(&link.id, now).await? {
            return Ok(false);
        }
        work.add_user(&user).await?;
        work.set_password(&user.id, &hash, now).await?;
        let about = About {
            user: Some(user.id.clone()),
            actor: Some(Actor::User(user.id.clone())),
            ..About::default()
        };
        ports
            .record_in(&*work, EventKind::UserCreated, origin, about)
            .await?;
        work.commit().await?;
        Ok(true)
    };
    match made.await {
        Ok(true) => Ok(link),
        Err(StoreError::Conflict("username")) => Err(RegisterError::Taken),
        Ok(false) | Err(StoreError::Conflict(_)) => Err(RegisterError::Worthless),
        Err(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) => {
            Err(RegisterError::Failure(error.into()))
        }
    }
}

fn uuid(ports: &Ports) -> String {
    let mut random = [0; 16];
    ports.rng.fill(&mut random);
    uuid::Builder::from_random_bytes(random)
        .into_uuid()
        .to_string()
}
