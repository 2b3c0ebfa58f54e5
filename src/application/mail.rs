//! Mail that use cases write: a typed message in the outbox, in the transaction of the change that it
//! tells of. A worker renders and sends it after the commit.
//!
//! Everything in it rests sealed: a link is a key to an account. Links are paths of ours under the
//! configured issuer; no request has a say in their host (security.md 151).

mod letter;

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::form_urlencoded;

pub use self::letter::letter;
use super::{
    Ports,
    ports::{Mailer, Place, Sealer, StoreError, UnitOfWork},
    trail,
};
use crate::{
    domain::{
        event::{OutboxKind, OutboxMessage},
        time::Timestamp,
        user::Email,
    },
    protocol::issuer::Issuer,
};

/// A mail to one person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// To whom. An address alone: a name that somebody chose could be an advertisement.
    pub to: Email,
    /// The recipient's language (BCP 47), as far as it is known. Texts are in English so far.
    pub locale: Option<String>,
    /// What it says.
    pub message: Message,
}

/// What a mail says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Message {
    /// Prove that this is your address.
    VerifyEmail(OneTime),
    /// To the new address: prove that it is yours, so that it replaces the old one.
    ConfirmNewEmail(OneTime),
    /// To the old address: another one takes its place.
    EmailChanged {
        /// When and from where.
        occurrence: Occurrence,
    },
    /// Choose a new password.
    ResetPassword(OneTime),
    /// Somebody tried to register with an address that has an account.
    AlreadyRegistered {
        /// Where a forgotten password is reset.
        link: Link,
    },
    /// An administrator made an account for you: choose a password.
    Invitation(OneTime),
    /// The password was changed.
    PasswordChanged {
        /// When and from where.
        occurrence: Occurrence,
    },
    /// A browser logged in that the account did not know.
    NewDevice {
        /// When and from where.
        occurrence: Occurrence,
    },
    /// A refresh token came twice: somebody may have a copy, and the access was withdrawn.
    RefreshReplayed {
        /// The application's name.
        client: String,
        /// When and from where.
        occurrence: Occurrence,
    },
    /// The account will be deleted.
    DeletionRequested {
        /// When and from where it was asked for.
        occurrence: Occurrence,
        /// When it is deleted.
        due: Timestamp,
    },
    /// The account was deleted.
    AccountDeleted {
        /// When.
        occurrence: Occurrence,
    },
}

impl Message {
    /// The name of its template.
    pub fn template(&self) -> &'static str {
        match self {
            Self::VerifyEmail(_) => "verify_email",
            Self::ConfirmNewEmail(_) => "confirm_new_email",
            Self::EmailChanged { .. } => "email_changed",
            Self::ResetPassword(_) => "reset_password",
            Self::AlreadyRegistered { .. } => "already_registered",
            Self::Invitation(_) => "invitation",
            Self::PasswordChanged { .. } => "password_changed",
            Self::NewDevice { .. } => "new_device",
            Self::RefreshReplayed { .. } => "refresh_replayed",
            Self::DeletionRequested { .. } => "deletion_requested",
            Self::AccountDeleted { .. } => "account_deleted",
        }
    }
}

/// A link that works once, with a code to type where the link cannot be followed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTime {
    /// Where the button is.
    pub link: Link,
    /// The code.
    pub code: Option<String>,
    /// How long both work.
    pub minutes: u64,
}

/// When and from where something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// When.
    pub at: Timestamp,
    /// The address that asked for it, if it came over the network.
    pub address: Option<String>,
}

/// A page of ours.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(String);

impl Link {
    /// The page at `path`, which begins with a slash.
    pub fn to(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// The page at `path` with a token for it.
    pub fn with_token(path: &'static str, token: &str) -> Self {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .finish();
        Self(format!("{path}?{query}"))
    }

    /// Where it is in the world.
    pub fn under(&self, issuer: &Issuer) -> String {
        issuer.url(&self.0)
    }
}

// What a link or code says is a secret, and so is everything that holds one.

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(…)")
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", self.template())
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({})", self.message.template())
    }
}

/// Where mail is handed in.
pub struct PostOffice {
    /// Seals what waits.
    pub sealer: Arc<dyn Sealer>,
    /// Sends it; absent where the operator configured no mail.
    pub mailer: Option<Arc<dyn Mailer>>,
}

/// Why a message of the outbox is no mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mail does not open: it was changed, or sealed under another key-encryption key")]
pub struct UnreadableMail;

impl PostOffice {
    /// The outbox message of a mail. The template and the recipient stand beside what is sealed, for
    /// operators to see; only what is sealed is believed.
    fn seal(&self, id: &str, mail: &Mail) -> Value {
        // A struct of texts and numbers: encoding it cannot fail, and what is empty never opens.
        let plain = serde_json::to_vec(mail).unwrap_or_default();
        let sealed = self.sealer.seal(&place(id), &plain);
        json!({
            "template": mail.message.template(),
            "to": mail.to,
            "sealed": URL_SAFE_NO_PAD.encode(sealed),
        })
    }

    /// The mail that an outbox message holds.
    pub fn open(&self, message: &OutboxMessage) -> Result<Mail, UnreadableMail> {
        let sealed = message.payload.get("sealed").and_then(Value::as_str);
        let sealed = URL_SAFE_NO_PAD.decode(sealed.ok_or(UnreadableMail)?);
        let sealed = sealed.map_err(|_| UnreadableMail)?;
        let plain = self.sealer.open(&place(&message.id), &sealed);
        let plain = plain.map_err(|_| UnreadableMail)?;
        serde_json::from_slice(&plain).map_err(|_| UnreadableMail)
    }
}

fn place(id: &str) -> Place<'_> {
    Place {
        table: "outbox",
        column: "payload",
        row: id,
    }
}

impl Ports {
    /// Whether mail is sent at all. Pages do not offer what needs it where it is not.
    pub fn can_mail(&self) -> bool {
        self.post.mailer.is_some()
    }

    /// Writes a mail as part of `work`: it is sent after the commit, and only then. Where mail is not
    /// configured nothing is written.
    pub async fn enqueue_mail(&self, work: &dyn UnitOfWork, mail: &Mail) -> Result<(), StoreError> {
        if !self.can_mail() {
            tracing::debug!(
                template = mail.message.template(),
                "mail is not configured: nothing is sent"
            );
            return Ok(());
        }
        let now = self.clock.now();
        let id = trail::ordered_id(&*self.rng, now);
        let payload = self.post.seal(&id, mail);
        let message = OutboxMessage {
            id,
            kind: OutboxKind::Mail,
            payload,
            due_at: now,
            attempts: 0,
        };
        work.enqueue(&message).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn c151_a_link_stands_under_the_configured_issuer() {
        let issuer = Issuer::parse("https://id.example").unwrap();
        let link = Link::with_token("/reset", "//evil.example/?a=b&c#d\r\nTo: x");
        assert_eq!(
            link.under(&issuer),
            "https://id.example/reset?token=%2F%2Fevil.example%2F%3Fa%3Db%26c%23d%0D%0ATo%3A+x"
        );
    }

    #[test]
    fn nothing_that_is_secret_shows_in_the_log() {
        let mail = Mail {
            to: Email::parse("a@b.example").unwrap(),
            locale: None,
            message: Message::ResetPassword(OneTime {
                link: Link::with_token("/reset", "canary"),
                code: Some("canary".to_owned()),
                minutes: 60,
            }),
        };
        assert_eq!(format!("{mail:?}"), "Mail(reset_password)");
        assert_eq!(format!("{:?}", mail.message), "Message(reset_password)");
    }
}
