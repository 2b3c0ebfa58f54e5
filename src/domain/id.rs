//! Identifiers: strings that cannot be taken for one another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes `value` as it is: identifiers are compared byte by byte.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

/// Why a text cannot be a client's identifier. Fit for an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// It has characters that need escapes somewhere, or too many.
    #[error("must be 1 to 128 letters, digits and -._~")]
    Form,
    /// It looks like a user's identifier.
    #[error("must not be a UUID: those are for users")]
    UserForm,
}

impl ClientId {
    /// The identifier of a client to be: no registration crosses into the identifiers of users
    /// (RFC 9700 §4.15).
    pub fn register(text: &str) -> Result<Self, ClientIdError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if !(1..=128).contains(&text.len()) || !text.bytes().all(is_plain) {
            return Err(ClientIdError::Form);
        }
        let id = Self::new(text);
        if id.has_form_of_user() {
            return Err(ClientIdError::UserForm);
        }
        Ok(id)
    }

    /// Whether it could be taken for a [`UserId`], in whatever spelling of a UUID.
    pub fn has_form_of_user(&self) -> bool {
        uuid::Uuid::try_parse(&self.0).is_ok()
    }
}

identifiers! {
    /// A user's stable identifier, which is also the `sub` of tokens (OIDC Core §2). Always a UUID,
    /// so that no client identifier can pose as one (RFC 9700 §4.15).
    UserId,
    /// A client's `client_id` (RFC 6749 §2.2). Never has the form of a [`UserId`].
    ClientId,
    /// A grant: what one resource owner allowed one client at one time.
    GrantId,
    /// A role.
    RoleId,
    /// A group of users.
    GroupId,
    /// A login session at this provider: the `sid` claim.
    SessionId,
}
