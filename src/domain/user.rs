//! Users: who they are, how they log in, and the standard claims about them (OIDC Core §5.1).

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::{id::UserId, time::Timestamp};

/// A person (or a test of one) with an account here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The stable identifier and `sub`.
    pub id: UserId,
    /// The name to log in with, in canonical form.
    pub username: Username,
    /// The address to log in and be reached with, in canonical form.
    pub email: Option<Email>,
    /// Whether the user proved to receive mail at `email`.
    pub email_verified: bool,
    /// The other standard claims.
    pub profile: Profile,
    /// Whether the user may log in and receive tokens.
    pub status: UserStatus,
    /// Tokens and sessions from before this moment are dead.
    pub not_before: Timestamp,
    /// Counts the events that end every session and token at once. A login belongs to the version
    /// in which it was made, so that one in the very second of a password change works, and a clock
    /// that stepped back revives nothing.
    #[serde(default)]
    pub security_version: u64,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When anything above last changed: the `updated_at` claim.
    pub updated_at: Timestamp,
    /// Counts how often the counters of wrong passwords began anew: with a new password, and when an
    /// operator unlocked the account.
    #[serde(default)]
    pub login_epoch: u64,
    /// When the account is to be removed, because its user asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_due: Option<Timestamp>,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    /// Logs in, receives tokens.
    Active,
    /// Neither.
    Inactive,
}

impl User {
    /// Whether the user may log in and receive tokens.
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }

    /// Lets the user log in again. The account stays, if it was to be removed.
    pub fn activate(&mut self, now: Timestamp) {
        self.status = UserStatus::Active;
        self.deletion_due = None;
        self.updated_at = now;
    }

    /// Locks the user out and ends every session and token issued until `now`.
    pub fn deactivate(&mut self, now: Timestamp) {
        self.status = UserStatus::Inactive;
        self.end_everything(now);
    }

    /// Locks the user out, as they wish; the account is removed at `due`.
    pub fn request_deletion(&mut self, now: Timestamp, due: Timestamp) {
        self.deactivate(now);
        self.deletion_due = Some(due);
    }

    /// Ends every session and token issued until now. Counted, not timed: a clock that is set back
    /// must not lock out whoever logs in afterwards.
    pub fn end_everything(&mut self, now: Timestamp) {
        self.security_version = self.security_version.saturating_add(1);
        self.updated_at = now;
    }

    /// Whether what was made at `time`, in this version of the account, still stands.
    pub fn honors(&self, time: Timestamp, version: u64) -> bool {
        self.is_active() && version == self.security_version && time >= self.not_before
    }

    /// Forgets what was counted against logins so far.
    pub fn unlock(&mut self) {
        self.login_epoch = self.login_epoch.wrapping_add(1);
    }

    /// The full name: as given, or first and last name.
    pub fn full_name(&self) -> Option<String> {
        self.profile.full_name.clone().or_else(|| {
            let parts: Vec<&str> = [&self.profile.first_name, &self.profile.last_name]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        })
    }
}

/// The standard claims of OIDC Core §5.1 that are neither identifier nor email. Absent is `None`,
/// never an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// `given_name`
    #[serde(alias = "given_name")]
    pub first_name: Option<String>,
    /// `family_name`
    #[serde(alias = "family_name")]
    pub last_name: Option<String>,
    /// `name`; where absent, first and last name together.
    #[serde(alias = "name")]
    pub full_name: Option<String>,
    /// `middle_name`
    pub middle_name: Option<String>,
    /// `nickname`
    pub nickname: Option<String>,
    /// `profile`: URL of a page about the user.
    pub profile: Option<String>,
    /// `picture`: URL of an image.
    pub picture: Option<String>,
    /// `website`
    pub website: Option<String>,
    /// `gender`
    pub gender: Option<String>,
    /// `birthdate`: YYYY-MM-DD, YYYY or 0000-MM-DD.
    pub birthdate: Option<String>,
    /// `zoneinfo`: IANA time zone.
    pub zoneinfo: Option<String>,
    /// `locale`: BCP 47 language tag.
    pub locale: Option<String>,
    /// `phone_number`, E.164.
    pub phone_number: Option<String>,
    /// `phone_number_verified`
    pub phone_number_verified: bool,
    /// `address`
    pub address: Option<Address>,
}

/// The `address` claim (OIDC Core §5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Address {
    /// The whole address, lines separated by newlines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    /// State, province or prefecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// Why a text is neither a username nor an email address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginNameError {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// Longer than 254 bytes.
    #[error("must be at most 254 bytes long")]
    TooLong,
    /// Contains a control, formatting or invisible character, or white space.
    #[error("must not contain white space or invisible characters")]
    Character,
    /// An `@` in a username, or anything but exactly one inside an email address.
    #[error("a username has no '@', an email address has exactly one between other characters")]
    At,
}

/// A name of a person as it is looked for: NFKC, lower case, single spaces.
pub fn folded_name(text: &str) -> String {
    let folded = text.nfkc().collect::<String>().to_lowercase();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What people type to name an account, in the one form under which it is stored and counted:
/// NFKC, lower case, no invisible characters (security.md 144 and 150).
pub fn canonical_login_name(text: &str) -> Result<String, LoginNameError> {
    if text.len() > MAX_LOGIN_NAME_BYTES {
        return Err(LoginNameError::TooLong);
    }
    // Lower-casing can produce text that is not NFKC, so normalize on both sides of it.
    let canonical: String = text
        .trim()
        .nfkc()
        .collect::<String>()
        .to_lowercase()
        .nfkc()
        .collect();
    if canonical.is_empty() {
        return Err(LoginNameError::Empty);
    }
    if canonical.len() > MAX_LOGIN_NAME_BYTES {
        return Err(LoginNameError::TooLong);
    }
    if canonical
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || is_invisible(c))
    {
        return Err(LoginNameError::Character);
    }
    Ok(canonical)
}

const MAX_LOGIN_NAME_BYTES: usize = 254;

/// Formatting characters and fillers that leave no mark on a screen.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A username in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// Takes what a person typed.
    pub fn parse(text: &str) -> Result<Self, LoginNameError> {
        let canonical = canonical_login_name(text)?;
        if canonical.contains('@') {
            Err(LoginNameError::At)
        } else {
            Ok(Self(canonical))
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An email address in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Takes what a person typed.
    pub fn parse(text: &str) -> Result<Self, LoginNameError> {
        let canonical = canonical_login_name(text)?;
        match canonical.split_once('@') {
            Some((local, domain))
                if !local.is_empty() && !domain.is_empty() && !domain.contains('@') =>
            {
                Ok(Self(canonical))
            }
            _ => Err(LoginNameError::At),
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user's password as it rests: a PHC string (argon2id), never the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A PHC string from the hasher or the store.
    pub fn new(phc: impl Into<String>) -> Self {
        Self(phc.into())
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn case_width_and_composition_lead_to_one_name() {
        for text in ["Alice", " alice ", "ＡＬＩＣＥ", "ALICE"] {
            assert_eq!(Username::parse(text).unwrap().as_str(), "alice");
        }
        assert_eq!(
            Username::parse("ﬁona").unwrap(),
            Username::parse("FIONA").unwrap()
        );
        assert_eq!(
            Username::parse("e\u{301}va").unwrap(),
            Username::parse("Éva").unwrap()
        );
    }

    #[test]
    fn invisible_characters_and_spaces_are_refused() {
        for text in [
            "ali\u{200b}ce",
            "ali ce",
            "al\u{0}ice",
            "ali\u{202e}ce",
            "\u{feff}alice",
            "a\u{ad}lice",
        ] {
            assert_eq!(
                Username::parse(text),
                Err(LoginNameError::Character),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_username_cannot_look_like_an_email_address() {
        assert_eq!(Username::parse("a@b"), Err(LoginNameError::At));
        assert_eq!(Email::parse("A@B.example").unwrap().as_str(), "a@b.example");
        for text in ["a", "@b", "a@", "a@b@c"] {
            assert_eq!(Email::parse(text), Err(LoginNameError::At), "{text}");
        }
    }
}
