//! Links and codes that work once: what they are for, whose they are, how long they last.

use serde::{Deserialize, Serialize};

use super::{
    id::UserId,
    names::UnknownName,
    secret::SecretDigest,
    time::Timestamp,
    user::{Email, User},
};

/// What a link is for. One for something else opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A new password in place of one that was forgotten.
    ResetPassword,
    /// The first password of an account that an administrator made.
    Invitation,
    /// An account of one's own.
    Registration,
    /// Another address in place of the account's.
    NewEmail,
}

impl Purpose {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset_password",
            Self::Invitation => "invitation",
            Self::Registration => "registration",
            Self::NewEmail => "new_email",
        }
    }
}

impl std::str::FromStr for Purpose {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "reset_password" => Ok(Self::ResetPassword),
            "invitation" => Ok(Self::Invitation),
            "registration" => Ok(Self::Registration),
            "new_email" => Ok(Self::NewEmail),
            _ => Err(UnknownName),
        }
    }
}

/// A link as it rests. Nothing in it can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimeLink {
    /// Names it where its code is typed. No secret.
    pub id: String,
    /// What is in the link.
    pub secret: SecretDigest,
    /// The code, sealed: a digest of six digits would hide nothing.
    pub sealed_code: Vec<u8>,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose account it opens. None for a registration, and where somebody asked in a name that
    /// nobody has: such a link looks and costs like any other, and opens nothing.
    pub user: Option<UserId>,
    /// The address that it was sent to, which whoever follows it has proved to be theirs.
    pub email: Option<Email>,
    /// The account's security version when it was made: a new password ends all links from before.
    pub security_version: u64,
    /// The sign-in that waits meanwhile, as a query; of use in its own browser only.
    pub way_on: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is worthless.
    pub expires_at: Timestamp,
}

impl OneTimeLink {
    /// Whether it opens this account for this purpose at this moment, if it was not used yet.
    pub fn opens(&self, user: &User, now: Timestamp) -> bool {
        self.user.as_ref() == Some(&user.id)
            && self.security_version == user.security_version
            && user.is_active()
            && now < self.expires_at
    }
}
