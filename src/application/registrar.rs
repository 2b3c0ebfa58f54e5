//! What the operator's commands stand on: the SQL store without the state store, so that they work
//! next to a running server, which holds its embedded state locked.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    NewPasswordError,
    ports::{Clock, HashError, PasswordHasher, Rng, Store, StoreError, UnitOfWork},
    trail::{self, About, Origin},
};
use crate::domain::event::{Actor, EventKind};

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
    /// Checks the JWK Set of a client; the error says what is wrong with it.
    pub check_jwks: fn(&Value) -> Result<(), String>,
}

/// Why a command of the operator changed nothing.
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
    /// Writes an event as part of `work`. Who is not named is the operator at the
    /// command line.
    pub(super) async fn record_in(
        &self,
        work: &dyn UnitOfWork,
        kind: EventKind,
        about: About,
    ) -> Result<(), StoreError> {
        let about = About {
            actor: about.actor.or(Some(Actor::Operator)),
            ..about
        };
        let event = trail::event(&*self.clock, &*self.rng, kind, &Origin::default(), about);
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
}
