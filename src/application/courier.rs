//! The courier: every node delivers what waits in the outbox, without a leader: mail, and whatever else
//! has a [`Carriage`].
//!
//! A node claims a few messages for `LEASE`, sends them, and removes them. While a claim holds,
//! nobody else sends the message; if the node dies, another takes over when the lease ends. Sending
//! takes at most the mailer's time limit, which is far shorter. A node that dies between sending and
//! removing is the one case of a second copy, and that has the same Message-ID.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{
    Ports,
    mail::{Mail, Message, OneTime},
    ports::{Letter, Mailer, Rng, SendError, StoreError},
};
use crate::{
    domain::event::{OutboxKind, OutboxMessage},
    metrics,
};

/// Between two looks at an outbox that was empty.
const PAUSE: Duration = Duration::from_secs(1);
/// After the database failed.
const RECOVERY: Duration = Duration::from_secs(5);
/// How long a claim holds. Longer than sending may take, many times.
const LEASE: Duration = Duration::from_mins(5);
/// Messages claimed at once, and sent at the same time.
const BATCH: u64 = 8;
/// Attempts, over some fourteen hours, before a message is given up.
pub const ATTEMPTS: u32 = 12;
/// Before the second attempt; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// Between two attempts at most.
const LAST_RETRY: Duration = Duration::from_hours(6);
/// How often the removal of a sent message is tried: whatever stays is sent again.
const REMOVALS: u32 = 5;

/// How one kind of message is delivered.
#[async_trait]
pub trait Carriage: Send + Sync {
    /// Which kind.
    fn kind(&self) -> OutboxKind;

    /// Done once the receiver has taken responsibility. Ends in bounded time, far shorter than a lease.
    async fn carry(&self, ports: &Ports, message: &OutboxMessage) -> Result<(), SendError>;
}

/// Sends mail until `stop`. What is under way is brought to its end.
pub async fn deliver(ports: &Ports, stop: CancellationToken) {
    if let Some(mailer) = &ports.post.mailer {
        follow(ports, &MailCarriage(&**mailer), stop).await;
    }
}

/// Delivers what is due until `stop`. What is under way is brought to its end.
pub async fn follow(ports: &Ports, carriage: &dyn Carriage, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match carry_due(ports, carriage).await {
            Ok(0) => PAUSE,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the outbox cannot be read"
                );
                RECOVERY
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// Claims and sends a few mails that are due; how many were claimed.
pub async fn deliver_due(ports: &Ports) -> Result<usize, StoreError> {
    match &ports.post.mailer {
        Some(mailer) => carry_due(ports, &MailCarriage(&**mailer)).await,
        None => Ok(0),
    }
}

/// Claims and delivers a few messages of one kind that are due; how many were claimed.
pub async fn carry_due(ports: &Ports, carriage: &dyn Carriage) -> Result<usize, StoreError> {
    let kind = carriage.kind();
    let now = ports.clock.now();
    // Looking costs no transaction, and on SQLite no wait for the one writer.
    let reader = ports.store.reader();
    if !reader.has_due(kind, now).await? {
        return Ok(0);
    }
    let work = ports.store.begin().await?;
    let retry_at = now.plus(LEASE);
    let claimed = work.claim_due(kind, now, retry_at, BATCH).await?;
    work.commit().await?;
    let sent = join_all(claimed.iter().map(|message| send(ports, carriage, message))).await;
    sent.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(claimed.len())
}

async fn send(
    ports: &Ports,
    carriage: &dyn Carriage,
    message: &OutboxMessage,
) -> Result<(), StoreError> {
    let kind = carriage.kind();
    match carriage.carry(ports, message).await {
        Ok(()) => {
            count(kind, "sent");
            remove(ports, message).await
        }
        Err(SendError::Temporary(error)) if message.attempts < ATTEMPTS => {
            count(kind, "postponed");
            tracing::warn!(kind = kind.as_str(), id = message.id, attempts = message.attempts, %error, "a message was not taken yet");
            let due_at = ports
                .clock
                .now()
                .plus(backoff(&*ports.rng, message.attempts));
            let work = ports.store.begin().await?;
            work.postpone(message, due_at, &error).await?;
            work.commit().await
        }
        Err(SendError::Temporary(error) | SendError::Permanent(error)) => {
            count(kind, "dead");
            tracing::error!(kind = kind.as_str(), id = message.id, attempts = message.attempts, %error, "a message was given up");
            let work = ports.store.begin().await?;
            work.bury(message, ports.clock.now(), &error).await?;
            work.commit().await
        }
    }
}

fn count(kind: OutboxKind, outcome: &'static str) {
    if kind == OutboxKind::Mail {
        metrics::mail(outcome);
    }
}

/// Hands letters to a mail server.
struct MailCarriage<'m>(&'m dyn Mailer);

#[async_trait]
impl Carriage for MailCarriage<'_> {
    fn kind(&self) -> OutboxKind {
        OutboxKind::Mail
    }

    async fn carry(&self, ports: &Ports, message: &OutboxMessage) -> Result<(), SendError> {
        let letter = prepare(ports, message)?;
        self.0.send(&letter).await
    }
}

/// The letter, unless it could not be opened or came too late.
fn prepare(ports: &Ports, message: &OutboxMessage) -> Result<Letter, SendError> {
    let unreadable = |error: &dyn std::error::Error| SendError::Permanent(error.to_string());
    let mail = ports.post.open(message).map_err(|e| unreadable(&e))?;
    let settings = &ports.settings;
    let letter = super::mail::letter(&mail, message, &settings.issuer, &settings.branding)
        .ok_or_else(|| SendError::Permanent("the mail cannot be written".to_owned()))?;
    let age = ports.clock.now().since(letter.at);
    if lifetime(&mail).is_some_and(|lifetime| age >= lifetime) {
        let late = "what the mail offers had expired before it could be sent";
        return Err(SendError::Permanent(late.to_owned()));
    }
    Ok(letter)
}

/// How long what a mail offers can be used.
fn lifetime(mail: &Mail) -> Option<Duration> {
    match &mail.message {
        Message::VerifyEmail(once)
        | Message::ConfirmNewEmail(once)
        | Message::ResetPassword(once)
        | Message::Invitation(once) => {
            let OneTime { minutes, .. } = once;
            Some(Duration::from_secs(minutes.saturating_mul(60)))
        }
        Message::EmailChanged { .. }
        | Message::AlreadyRegistered { .. }
        | Message::PasswordChanged { .. }
        | Message::NewDevice { .. }
        | Message::RefreshReplayed { .. }
        | Message::DeletionRequested { .. }
        | Message::AccountDeleted { .. } => None,
    }
}

/// A message that was delivered must not stay: a database that is away for a moment is waited for.
async fn remove(ports: &Ports, message: &OutboxMessage) -> Result<(), StoreError> {
    let mut removals = 1;
    loop {
        let removed = async {
            let work = ports.store.begin().await?;
            work.delivered(&message.id).await?;
            work.commit().await
        };
        match removed.await {
            Err(_) if removals < REMOVALS => {
                tokio::time::sleep(Duration::from_millis(100 << removals)).await;
                removals += 1;
            }
            done => return done,
        }
    }
}

/// Twice as long each time, and a quarter more or less, so that a server that was away is not met by
/// everybody at once.
fn backoff(rng: &dyn Rng, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let wait = FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY);
    let mut random = [0_u8; 2];
    rng.fill(&mut random);
    let share = f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX);
    wait.mul_f64(0.75 + share / 2.0)
}
