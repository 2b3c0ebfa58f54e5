//! What the commands of operators and administrators stand on: the SQL store without the state store, so
//! that they work next to a running server, which holds its embedded state locked.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    NewPasswordError, Ports,
    administration::Acting,
    ports::{Clock, HashError, PasswordHasher, Rng, Sealer, Store, StoreError, UnitOfWork},
    trail::{self, About, Origin},
};
use crate::domain::{
    administration::Right,
    event::{Actor, EventKind},
};

/// See [`Registrar::sealer`].
pub type GetSealer = Arc<dyn Fn() -> Result<Arc<dyn Sealer>, String> + Send + Sync>;

/// The surroundings of the operator's commands.
pub struct Registrar {
    /// What must last.
    pub store: Arc<dyn Store>,
    /// Password hashing.
    pub passwords: Arc<dyn PasswordHasher>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// What seals what must be read again, asked for only by those who seal: it may have to be made. The
    /// error says why there is none.
    pub sealer: GetSealer,
    /// Checks the JWK Set of a client; the error says what is wrong with it.
    pub check_jwks: fn(&Value) -> Result<(), String>,
    /// Who is at work.
    pub acting: Acting,
}

/// Why a command changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// A value cannot be accepted.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which value.
        field: &'static str,
        /// What is the matter with it.
        problem: String,
    },
    /// There is no such thing.
    #[error("there is no {0} {1:?}")]
    NotFound(&'static str, String),
    /// It exists already.
    #[error("this {0} exists already")]
    Exists(&'static str),
    /// Whoever is at work lacks this right.
    #[error("you may not do this: it needs the permission {}", .0.as_str())]
    Lacks(Right),
    /// It is beyond what whoever is at work holds. Says what.
    #[error("you may not do this: {0}")]
    Beyond(String),
    /// The change was meant for another version.
    #[error("it has changed meanwhile")]
    Stale,
    /// Nobody would be left who may do everything.
    #[error("somebody must remain who holds every permission")]
    LastOwner,
    /// The store could not do it.
    #[error(transparent)]
    Store(StoreError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl From<StoreError> for RegistrarError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what) => Self::Exists(what),
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => Self::Store(error),
        }
    }
}

impl From<NewPasswordError> for RegistrarError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Unfit(unfit) => Self::invalid("password", unfit),
            NewPasswordError::Hash(error) => Self::Hash(error),
        }
    }
}

impl RegistrarError {
    /// A value that cannot be accepted.
    pub(super) fn invalid(field: &'static str, problem: impl fmt::Display) -> Self {
        Self::Invalid {
            field,
            problem: problem.to_string(),
        }
    }
}

impl Registrar {
    /// On the stores of a provider in this process.
    pub fn of(ports: &Ports, acting: Acting) -> Self {
        Self {
            store: ports.store.clone(),
            passwords: ports.passwords.clone(),
            clock: ports.clock.clone(),
            rng: ports.rng.clone(),
            sealer: {
                let sealer = ports.sealer.clone();
                Arc::new(move || Ok(sealer.clone()))
            },
            check_jwks: ports.check_jwks,
            acting,
        }
    }

    /// Writes an event as part of `work`. Who is not named is whoever is at work.
    pub(super) async fn record_in(
        &self,
        work: &dyn UnitOfWork,
        kind: EventKind,
        about: About,
    ) -> Result<(), StoreError> {
        let (actor, origin) = match self.administrator() {
            Some(who) => (who.actor.clone(), who.origin.clone()),
            None => (Actor::Operator, Origin::default()),
        };
        let about = About {
            actor: about.actor.or(Some(actor)),
            ..about
        };
        let event = trail::event(&*self.clock, &*self.rng, kind, &origin, about);
        work.record(&event).await
    }

    /// A fresh identifier for a record.
    pub(super) fn uuid(&self) -> String {
        let mut random = [0_u8; 16];
        self.rng.fill(&mut random);
        uuid::Builder::from_random_bytes(random)
            .into_uuid()
            .to_string()
    }

    /// A fresh secret of 256 bits, base64url.
    pub fn secret(&self) -> String {
        let mut bytes = [0_u8; 32];
        self.rng.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A fresh secret of a client: 384 bits in 64 characters, enough for every MAC (RFC 7518 §3.2).
    pub(super) fn client_secret(&self) -> String {
        let mut bytes = [0_u8; 48];
        self.rng.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}
