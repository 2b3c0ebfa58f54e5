//! Logging in with a password.
//!
//! One answer and one duration for every refusal: an unknown account hashes a decoy in the same
//! queue. Attempts are counted before any hash is computed, so parallel guesses gain nothing.

use crate::{
    application::{
        Failure, Ports,
        ports::{
            PasswordCheck,
            state::{Kind, StateKey},
        },
        state,
        trail::{About, Origin},
    },
    domain::{
        event::EventKind,
        grant::Authentication,
        id::SessionId,
        user::{PasswordHash, User, canonical_login_name},
    },
    protocol::authentication::{ACR_PASSWORD, AMR_PASSWORD, Login},
};

/// Bytes of a password at most; longer ones are refused before any hashing.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// What a person typed.
pub struct LogIn<'a> {
    /// Username or email address.
    pub name: &'a str,
    /// Password.
    pub password: &'a str,
    /// The login that the browser has already. The same user keeps the session, and with it `sid`.
    pub current: Option<&'a Login>,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// Wrong password, unknown or inactive account: all the same.
    #[error("wrong name or password")]
    Rejected,
    /// Too many attempts for this account or from this address.
    #[error("too many attempts")]
    Throttled,
    /// The password is longer than [`MAX_PASSWORD_BYTES`].
    #[error("the password is too long")]
    TooLong,
    /// Nothing to do with the person.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Checks name and password and begins a session.
pub async fn log_in(
    ports: &Ports,
    command: LogIn<'_>,
    origin: &Origin,
) -> Result<Login, LogInError> {
    if command.password.len() > MAX_PASSWORD_BYTES {
        return Err(LogInError::TooLong);
    }
    // A name that no account can have still takes the time and the counters of one that might exist.
    let name = canonical_login_name(command.name).unwrap_or_else(|_| "\u{fffd}".to_owned());
    let buckets = Buckets::of(&name, origin);
    reserve(ports, &buckets, origin).await?;
    let found = ports
        .store
        .reader()
        .user_by_login(&name)
        .await
        .map_err(Failure::from)?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
    let check = ports
        .passwords
        .verify(command.password, hash.as_ref())
        .await
        .map_err(Failure::from)?;
    match (user, check) {
        (Some(user), PasswordCheck::Correct | PasswordCheck::CorrectButOutdated)
            if user.is_active() && hash.is_some() =>
        {
            let rehashed = rehash(ports, command.password, check).await;
            let login = succeed(ports, &user, (rehashed, &buckets), origin).await?;
            Ok(in_session_of(command.current, login))
        }
        (user, _) => {
            fail(ports, user.as_ref(), &buckets, origin).await?;
            Err(LogInError::Rejected)
        }
    }
}

/// The two counters that an attempt touches.
struct Buckets {
    account: StateKey,
    address: Option<StateKey>,
}

impl Buckets {
    fn of(name: &str, origin: &Origin) -> Self {
        let key = |kind: &str, value: &str| {
            StateKey::new(Kind::Counter, &format!("login\0{kind}\0{value}"))
        };
        let address = origin
            .address
            .as_deref()
            .map(|address| key("address", address));
        Self {
            account: key("account", name),
            address,
        }
    }
}

/// Counts the attempt against the account before it is made, and looks at the failures of the
/// address, which many honest people may share.
async fn reserve(ports: &Ports, buckets: &Buckets, origin: &Origin) -> Result<(), LogInError> {
    let limits = &ports.settings.login_limits;
    let attempts = ports
        .state
        .hit(&buckets.account, limits.window)
        .await
        .map_err(Failure::from)?;
    let failures = match &buckets.address {
        Some(key) => state::count(&*ports.state, key)
            .await
            .map_err(Failure::from)?,
        None => 0,
    };
    if attempts <= limits.per_account && failures < limits.per_address {
        return Ok(());
    }
    ports
        .record(EventKind::LoginThrottled, origin, About::default())
        .await
        .map_err(Failure::from)?;
    Err(LogInError::Throttled)
}

/// Hashes anew what was hashed with weaker parameters. Busy workers only postpone it.
async fn rehash(ports: &Ports, password: &str, check: PasswordCheck) -> Option<PasswordHash> {
    match check {
        PasswordCheck::CorrectButOutdated => ports.passwords.hash(password).await.ok(),
        PasswordCheck::Correct | PasswordCheck::Wrong => None,
    }
}

async fn succeed(
    ports: &Ports,
    user: &User,
    (rehashed, buckets): (Option<PasswordHash>, &Buckets),
    origin: &Origin,
) -> Result<Login, Failure> {
    ports.state.delete(&buckets.account).await?;
    let now = ports.clock.now();
    let work = ports.store.begin().await?;
    if let Some(hash) = rehashed {
        work.set_password(&user.id, &hash, now).await?;
    }
    let about = About {
        user: Some(user.id.clone()),
        ..About::default()
    };
    ports
        .record_in(&*work, EventKind::LoginSucceeded, origin, about)
        .await?;
    work.commit().await?;
    let authentication = Authentication {
        time: now,
        acr: ACR_PASSWORD.to_owned(),
        amr: vec![AMR_PASSWORD.to_owned()],
        session: SessionId::new(ports.identifier()),
        version: user.security_version,
    };
    Ok(Login {
        user: user.id.clone(),
        authentication,
    })
}

/// A fresh proof in a session that the same user has already does not begin another one.
fn in_session_of(current: Option<&Login>, mut login: Login) -> Login {
    if let Some(current) = current.filter(|current| current.user == login.user) {
        login.authentication.session = current.authentication.session.clone();
    }
    login
}

async fn fail(
    ports: &Ports,
    user: Option<&User>,
    buckets: &Buckets,
    origin: &Origin,
) -> Result<(), Failure> {
    if let Some(key) = &buckets.address {
        ports
            .state
            .hit(key, ports.settings.login_limits.window)
            .await?;
    }
    let about = About {
        user: user.map(|user| user.id.clone()),
        ..About::default()
    };
    Ok(ports.record(EventKind::LoginFailed, origin, about).await?)
}
