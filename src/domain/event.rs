//! Audit events: who did what to whom, when and from where. Written in the transaction of the change.

use std::fmt::{self, Write as _};

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
    /// Who did it, where [`AuditEvent::actor`] would be wrong otherwise.
    pub by: Option<Actor>,
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

impl AuditEvent {
    /// Who did it: who is named, else who usually does such a thing.
    pub fn actor(&self) -> Option<Actor> {
        let usual = || match self.kind.usual_actor() {
            UsualActor::User => self.user.clone().map(Actor::User),
            UsualActor::Client => self.client.clone().map(Actor::Client),
            UsualActor::Unknown => None,
        };
        self.by.clone().or_else(usual)
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// A user, for themselves or as an administrator.
    User(UserId),
    /// A client.
    Client(ClientId),
    /// Somebody at the command line.
    Operator,
    /// Countersign by itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

impl std::str::FromStr for Actor {
    type Err = super::names::UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("user", id)) => Ok(Self::User(UserId::new(id))),
            Some(("client", id)) => Ok(Self::Client(ClientId::new(id))),
            None if text == "operator" => Ok(Self::Operator),
            None if text == "system" => Ok(Self::System),
            Some(_) | None => Err(super::names::UnknownName),
        }
    }
}

/// Who usually does what a kind of event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsualActor {
    /// The user it is about.
    User,
    /// The client it is about.
    Client,
    /// Nobody can say: whoever it was did not prove to be anybody, or the event must name them.
    Unknown,
}

/// What the identifier of every event since `at` comes after: identifiers begin with their time (UUID
/// version 7, RFC 9562 section 5.7), so that the primary key is an index of time.
pub fn first_id_at(at: Timestamp) -> String {
    let millis = u64::try_from(at.0).unwrap_or(0).saturating_mul(1000);
    let mut id = uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10])
        .into_uuid()
        .to_string();
    // The time alone: version and variant would come after identifiers of other makes.
    id.truncate("00000000-0000".len());
    id
}

/// Declares the kinds with their stored names. What a comment says is also the reference of events.
macro_rules! event_kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal),+ $(,)?) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant),+
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// The stored name, `noun.verb`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for EventKind {
            type Err = super::names::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(super::names::UnknownName) }
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
    /// A user asked for the account to be removed. It is locked until then.
    DeletionRequested = "user.deletion_requested",
    /// An account was removed.
    UserDeleted = "user.deleted",
    /// An operator let an account try passwords again.
    UserUnlocked = "user.unlocked",
    /// A password was set.
    PasswordChanged = "password.changed",
    /// A proved address took the place of an account's.
    EmailChanged = "email.changed",
    /// Somebody asked for a mail with which the password can be set anew.
    PasswordResetAsked = "password.reset_asked",
    /// An administrator invited the user of an account to choose a password.
    UserInvited = "user.invited",
    /// A role or group was defined anew.
    RoleChanged = "role.changed",
    /// A user got a role.
    RoleAssigned = "role.assigned",
    /// A user lost a role.
    RoleUnassigned = "role.unassigned",
    /// A signing key was made or imported.
    KeyCreated = "key.created",
    /// A signing key was taken out of use at once.
    KeyRetired = "key.retired",
    /// An operator let messages that were given up be tried again.
    OutboxRetried = "outbox.retried",
    /// An administrator was refused what they may not do.
    AdministrationRefused = "administration.refused",
}

impl EventKind {
    /// Who usually does it.
    pub fn usual_actor(self) -> UsualActor {
        match self {
            Self::LoginSucceeded
            | Self::LoggedOut
            | Self::ConsentGranted
            | Self::ConsentDenied
            | Self::ConsentWithdrawn
            | Self::PasswordChanged
            | Self::DeletionRequested
            | Self::EmailChanged => UsualActor::User,
            Self::GrantIssued
            | Self::GrantRevoked
            | Self::CodeReplayed
            | Self::CodeMisused
            | Self::RefreshReplayed
            | Self::RefreshMisused => UsualActor::Client,
            Self::LoginFailed
            | Self::LoginThrottled
            | Self::ClientRejected
            | Self::ClientCreated
            | Self::ClientChanged
            | Self::ClientDeleted
            | Self::UserCreated
            | Self::UserChanged
            | Self::UserDeleted
            | Self::UserDeactivated
            | Self::UserActivated
            | Self::UserUnlocked
            | Self::PasswordResetAsked
            | Self::UserInvited
            | Self::RoleChanged
            | Self::RoleAssigned
            | Self::RoleUnassigned
            | Self::KeyCreated
            | Self::KeyRetired
            | Self::OutboxRetried
            | Self::AdministrationRefused => UsualActor::Unknown,
        }
    }

    /// Whether something follows from it after the commit: a notice, a count.
    pub fn is_handled(self) -> bool {
        self.consequence().is_some()
    }

    /// What follows from it after the commit.
    pub fn consequence(self) -> Option<&'static str> {
        if self == Self::LoginSucceeded {
            let both = "Counted by day, user and client. Mail to the user where the browser was new to the account.";
            Some(both)
        } else if self == Self::LoginFailed {
            Some("Counted by day, user and client.")
        } else if matches!(
            self,
            Self::PasswordChanged | Self::RefreshReplayed | Self::DeletionRequested
        ) {
            Some("Mail to the user.")
        } else {
            None
        }
    }
}

/// The reference of events, Markdown.
pub fn reference() -> String {
    let mut page = REFERENCE.to_owned();
    for kind in EventKind::ALL {
        let actor = match kind.usual_actor() {
            UsualActor::User => "the user",
            UsualActor::Client => "the client",
            UsualActor::Unknown => "as `actor` says",
        };
        let meaning = kind.meaning().trim();
        let consequence = kind.consequence().unwrap_or("–");
        let kind = kind.as_str();
        let _ = writeln!(page, "| `{kind}` | {meaning} | {actor} | {consequence} |");
    }
    page
}

const REFERENCE: &str = "\
# Events

<!-- Written by `countersign audit reference`; a test keeps it so. -->

Every event is a row of the audit trail, written in the transaction of the change that it tells of. Rows
are only ever added; nothing but retention removes them. Notices and counts follow after the commit,
exactly once each, on whatever node comes first.

`countersign audit list` shows them, `countersign audit export` writes JSON Lines, `countersign audit
follow` waits for more. Each has

| Member | Meaning |
|---|---|
| `id` | Unique; in the order of time. |
| `at` | When, UTC. |
| `kind` | What, from the list below. |
| `actor` | Who: `user:…`, `client:…`, `operator` (the command line), `system`, or nothing where whoever it was did not prove to be anybody. |
| `user`, `client`, `grant` | On whom and on what. |
| `address` | From where: the peer's address, for IPv6 its /64 network. |
| `trace` | The request's trace id, which log and error page show too. |
| `detail` | More, such as `before` and `after` of a change. Never a secret. |

| Kind | Meaning | Actor | What follows |
|---|---|---|---|
";

/// What becomes of a message after the commit that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboxKind {
    /// It is sent as mail.
    Mail,
    /// The handlers of an event run.
    Event,
    /// A client is told that a session has ended.
    Logout,
}

impl OutboxKind {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Event => "event",
            Self::Logout => "logout",
        }
    }
}

impl std::str::FromStr for OutboxKind {
    type Err = super::names::UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "mail" => Ok(Self::Mail),
            "event" => Ok(Self::Event),
            "logout" => Ok(Self::Logout),
            _ => Err(super::names::UnknownName),
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
