//! Delivering mail.

use async_trait::async_trait;

use crate::domain::{time::Timestamp, user::Email};

/// A mail as it is read: both parts say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The outbox row that it comes from. The Message-ID is made of it, so that a mail which had to
    /// be sent again is known to be the same.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// To whom.
    pub to: Email,
    /// One line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Why a mail was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may be taken later: the server is away, busy, or refuses us for now.
    #[error("{0}")]
    Temporary(String),
    /// It never will be: the server says so, or the address cannot be written.
    #[error("{0}")]
    Permanent(String),
}

/// Hands mail to whoever carries it.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Done once the server has taken responsibility for the mail. Ends in bounded time.
    async fn send(&self, letter: &Letter) -> Result<(), SendError>;
}

/// What was sent, where mail stays on a developer's machine.
pub trait Mailbox: Send + Sync {
    /// The latest mails, newest first.
    fn letters(&self) -> Vec<Letter>;
}
