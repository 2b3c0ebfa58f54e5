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
