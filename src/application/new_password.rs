//! The one way for a password to become an account's: fit to be chosen, and hashed.

use super::ports::{HashError, PasswordHasher};
use crate::domain::{
    password::{self, Unfit},
    user::{PasswordHash, User},
};

/// Why a password was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordError {
    /// Nobody should have it.
    #[error("the password {0}")]
    Unfit(Unfit),
    /// It could not be looked up or hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl From<Unfit> for NewPasswordError {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// The hash of a password that `user` chose, if it is fit (ASVS 6.2).
pub(super) async fn hash_new(
    passwords: &dyn PasswordHasher,
    password: &str,
    user: &User,
) -> Result<PasswordHash, NewPasswordError> {
    let mut words = password::words_of(user);
    words.extend_from_slice(passwords.site_words());
    password::check(password, &words)?;
    if passwords.is_breached(password).await? {
        return Err(Unfit::Breached.into());
    }
    Ok(passwords.hash(password).await?)
}
