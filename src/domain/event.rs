//! Audit events: who did what to whom, when and from where. Written in the transaction of the change.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    id::{ClientId, GrantId, UserId},
    time::Timestamp,
};

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Unique, ordered by time (UUID version 7).
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The user it is about.
    pub user: Option<UserId>,
    /// The client it is about.
    pub client: Option<ClientId>,
    /// The grant it is about.
    pub grant: Option<GrantId>,
    /// The peer's address, behind trusted proxies the one they report.
    pub address: Option<String>,
    /// The trace id that the log and the error page show too.
    pub trace: Option<String>,
    /// Details without secrets.
    pub detail: Value,
}

/// Declares the kinds with their stored names.
macro_rules! event_kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $text)] $variant),+
        }

        impl EventKind {
            /// The stored name, `noun.verb`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for EventKind {
            type Err = super::client::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(super::client::UnknownName) }
            }
        }
    };
}

event_kinds! {
    /// A user logged in.
    LoginSucceeded = "login.succeeded",
    /// A login was refused: wrong password, unknown or inactive account.
    LoginFailed = "login.failed",
    /// A login was not even tried: too many attempts.
    LoginThrottled = "login.throttled",
    /// A session ended.
    LoggedOut = "session.ended",
    /// A user consented.
    ConsentGranted = "consent.granted",
    /// A user declined.
    ConsentDenied = "consent.denied",
    /// A user or operator withdrew a consent.
    ConsentWithdrawn = "consent.withdrawn",
    /// A code became tokens.
    GrantIssued = "grant.issued",
    /// A grant and all its tokens were revoked.
    GrantRevoked = "grant.revoked",
    /// A spent code came again.
    CodeReplayed = "code.replayed",
    /// A code came from a client that it was not issued to.
    CodeMisused = "code.misused",
    /// A rotated refresh token came again.
    RefreshReplayed = "refresh.replayed",
    /// A refresh token came from a client that it was not issued to.
    RefreshMisused = "refresh.misused",
    /// A client failed to authenticate.
    ClientRejected = "client.rejected",
    /// A client was registered.
    ClientCreated = "client.created",
    /// A client's metadata or secret changed.
    ClientChanged = "client.changed",
    /// A client was removed.
    ClientDeleted = "client.deleted",
    /// An account was made.
    UserCreated = "user.created",
    /// An account changed.
    UserChanged = "user.changed",
    /// An account was locked.
    UserDeactivated = "user.deactivated",
    /// An account was unlocked.
    UserActivated = "user.activated",
    /// An operator let an account try passwords again.
    UserUnlocked = "user.unlocked",
    /// A password was set.
    PasswordChanged = "password.changed",
    /// A role, group or assignment changed.
    RoleChanged = "role.changed",
    /// A signing key was made or imported.
    KeyCreated = "key.created",
    /// An operator let messages that were given up be tried again.
    OutboxRetried = "outbox.retried",
}

/// What becomes of a message after the commit that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboxKind {
    /// It is sent as mail.
    Mail,
    /// The handlers of an event run.
    Event,
}

impl OutboxKind {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Event => "event",
        }
    }
}

impl std::str::FromStr for OutboxKind {
    type Err = super::client::UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "mail" => Ok(Self::Mail),
            "event" => Ok(Self::Event),
            _ => Err(super::client::UnknownName),
        }
    }
}

/// A message to be delivered after the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Unique, ordered by time (UUID version 7).
    pub id: String,
    /// What kind of delivery.
    pub kind: OutboxKind,
    /// What to deliver. Secrets in it are sealed.
    pub payload: Value,
    /// Earliest next attempt.
    pub due_at: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
}

impl OutboxMessage {
    /// When it was written, which its identifier tells.
    pub fn written_at(&self) -> Option<Timestamp> {
        let id = uuid::Uuid::parse_str(&self.id).ok()?;
        let (seconds, _) = id.get_timestamp()?.to_unix();
        i64::try_from(seconds).ok().map(Timestamp)
    }
}

/// A message with what became of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The message.
    pub message: OutboxMessage,
    /// When it was given up.
    pub dead_at: Option<Timestamp>,
    /// Why the latest attempt failed.
    pub error: Option<String>,
}
