//! Why a use case came to no answer of its own.

use super::{
    limits::Limited,
    ports::{HashError, SignError, StoreError, state::StateError},
};
use crate::protocol::error::{ErrorCode, OAuthError};

/// A refusal in the words of a specification, or a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request is refused.
    #[error(transparent)]
    Refused(#[from] OAuthError),
    /// The request is one too many, whatever it asks (429).
    #[error(transparent)]
    Limited(#[from] Limited),
    /// Something that we depend on is away or overloaded: try again (503).
    #[error("{0} is unavailable")]
    Unavailable(
        &'static str,
        #[source] Option<Box<dyn std::error::Error + Send + Sync>>,
    ),
    /// Something is broken here (500).
    #[error("{0} is broken")]
    Broken(
        &'static str,
        #[source] Option<Box<dyn std::error::Error + Send + Sync>>,
    ),
}

impl Failure {
    /// The same as an error of the protocol.
    pub fn as_oauth(&self) -> OAuthError {
        match self {
            Self::Refused(error) => error.clone(),
            // No specification has a word for it; this one says to come back.
            Self::Limited(_) => OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "too many requests, please try again later",
            ),
            Self::Unavailable(..) => OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "the server is busy, please try again",
            ),
            Self::Broken(..) => {
                OAuthError::new(ErrorCode::ServerError, "something went wrong on the server")
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable("the database", Some(Box::new(error))),
            StoreError::Conflict(_) | StoreError::Corrupt(_) => {
                Self::Broken("the database", Some(Box::new(error)))
            }
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Unavailable(_) => {
                Self::Unavailable("the state store", Some(Box::new(error)))
            }
            StateError::Corrupt => Self::Broken("the state store", Some(Box::new(error))),
        }
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Unavailable("password hashing", Some(Box::new(error))),
            HashError::Corrupt => Self::Broken("a password hash", Some(Box::new(error))),
            HashError::Unscreened => {
                Self::Broken("the list of stolen passwords", Some(Box::new(error)))
            }
        }
    }
}

impl From<SignError> for Failure {
    fn from(error: SignError) -> Self {
        match error {
            SignError::NoKey(_) => Self::Unavailable("a signing key", Some(Box::new(error))),
            SignError::NoSecret | SignError::NoClientKey => {
                Self::Unavailable("a key of the client", Some(Box::new(error)))
            }
            SignError::Failed => Self::Broken("signing", Some(Box::new(error))),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken("encoding", Some(Box::new(error)))
    }
}
