//! What follows from events, after the commit that wrote them: notices to users, statistics.
//!
//! An event that has handlers is written with a row in the outbox. A worker takes such rows, runs the
//! handlers and removes the rows, all in one transaction: each event is handled exactly once, whatever
//! the number of nodes, and a node that dies has handled nothing.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Ports, courier,
    mail::{Mail, Message, Occurrence},
    ports::{LoginCount, Reader, StoreError, UnitOfWork},
};
use crate::domain::{
    event::{AuditEvent, EventKind, OutboxKind},
    id::{ClientId, UserId},
    time::{Day, Timestamp},
};

/// Between two looks when there was nothing to do.
const PAUSE: Duration = Duration::from_secs(1);
/// After the database failed.
const RECOVERY: Duration = Duration::from_secs(5);
/// Events handled in one transaction.
const BATCH: u64 = 100;
/// Until an event that this node cannot read is tried again: a newer node may have written it.
const SETBACK: Duration = Duration::from_mins(5);

/// Runs the handlers of what happened until `stop`.
pub async fn follow(ports: &Ports, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match handle_due(ports).await {
            Ok(0) => PAUSE,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "events cannot be handled"
                );
                RECOVERY
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// Handles some events; how many.
pub async fn handle_due(ports: &Ports) -> Result<usize, StoreError> {
    let now = ports.clock.now();
    if !ports.store.reader().has_due(OutboxKind::Event, now).await? {
        return Ok(0);
    }
    match handle(ports, BATCH).await {
        // One of them is to blame: one by one, so that only that one waits.
        Err(StoreError::Corrupt(_)) => match handle(ports, 1).await {
            Err(StoreError::Corrupt(what)) => set_back(ports, &what).await,
            done => done,
        },
        done => done,
    }
}

async fn handle(ports: &Ports, limit: u64) -> Result<usize, StoreError> {
    let work = ports.store.begin().await?;
    match handle_in(ports, &*work, limit).await {
        Ok(handled) => {
            work.commit().await?;
            Ok(handled)
        }
        Err(error) => {
            // Others pass over what it took, as long as it is not undone. A connection that broke has
            // undone it.
            let _ = work.rollback().await;
            Err(error)
        }
    }
}

async fn handle_in(ports: &Ports, work: &dyn UnitOfWork, limit: u64) -> Result<usize, StoreError> {
    let now = ports.clock.now();
    let ids = work.take_due(OutboxKind::Event, now, limit).await?;
    let events = work.events_by_id(&ids).await?;
    let mut counts = Counts::default();
    for event in &events {
        run(ports, work, event, &mut counts).await?;
    }
    work.count_logins(&counts.rows()).await?;
    Ok(ids.len())
}

/// Puts the first event off that cannot be read.
async fn set_back(ports: &Ports, what: &str) -> Result<usize, StoreError> {
    let now = ports.clock.now();
    let work = ports.store.begin().await?;
    let later = now.plus(SETBACK);
    let claimed = work.claim_due(OutboxKind::Event, now, later, 1).await?;
    for message in &claimed {
        // A transaction that failed a moment ago may still hold the one that is to blame, and then
        // this is another, which nothing keeps from being handled next time.
        match work.events_by_id(std::slice::from_ref(&message.id)).await {
            Err(StoreError::Corrupt(_)) => {}
            readable => {
                work.rollback().await?;
                return readable.map(|_| 1);
            }
        }
        if message.attempts < courier::ATTEMPTS {
            work.postpone(message, later, what).await?;
        } else {
            work.bury(message, now, what).await?;
        }
    }
    work.commit().await?;
    tracing::warn!(what, "an event cannot be read and waits");
    Ok(claimed.len())
}

/// The handlers of one event.
async fn run(
    ports: &Ports,
    work: &dyn UnitOfWork,
    event: &AuditEvent,
    counts: &mut Counts,
) -> Result<(), StoreError> {
    if let Some(user) = &event.user
        && let Some(message) = notice(ports.store.reader(), event, user, counts).await?
    {
        notify(ports, work, user, message).await?;
    }
    counts.count(event);
    Ok(())
}

/// What the user is told, if anything.
async fn notice(
    reader: &dyn Reader,
    event: &AuditEvent,
    user: &UserId,
    counts: &Counts,
) -> Result<Option<Message>, StoreError> {
    let occurrence = Occurrence {
        at: event.at,
        address: event.address.clone(),
    };
    let kind = event.kind;
    if kind == EventKind::LoginSucceeded {
        let is_new = event.detail.get("device").is_some_and(|it| it == "new");
        // The first login of an account is from a new device, and no news.
        let is_news = is_new && (counts.has_logged_in(user) || reader.has_logged_in(user).await?);
        Ok(is_news.then_some(Message::NewDevice { occurrence }))
    } else if kind == EventKind::PasswordChanged {
        Ok(Some(Message::PasswordChanged { occurrence }))
    } else if kind == EventKind::DeletionRequested {
        let due = event.detail.get("due").and_then(Value::as_i64);
        Ok(due.map(|due| Message::DeletionRequested {
            occurrence,
            due: Timestamp(due),
        }))
    } else if kind == EventKind::RefreshReplayed {
        let client = match &event.client {
            Some(client) => reader.client(client).await?.map(|client| client.name),
            None => None,
        };
        let client = client.unwrap_or_default();
        Ok(Some(Message::RefreshReplayed { client, occurrence }))
    } else {
        Ok(None)
    }
}

/// A notice to the address that is known to be the user's. To no other: it may be a stranger's.
async fn notify(
    ports: &Ports,
    work: &dyn UnitOfWork,
    user: &UserId,
    message: Message,
) -> Result<(), StoreError> {
    let Some(user) = ports.store.reader().user(user).await? else {
        return Ok(());
    };
    let Some(to) = user.email.filter(|_| user.email_verified) else {
        return Ok(());
    };
    let mail = Mail {
        to,
        locale: user.profile.locale,
        message,
    };
    ports.enqueue_mail(work, &mail).await
}

/// Logins of a batch, added up, so that each row of the statistics is written once.
#[derive(Default)]
struct Counts(BTreeMap<(Day, String, String), (u64, u64)>);

impl Counts {
    fn count(&mut self, event: &AuditEvent) {
        // A line may stand for several refusals of a minute.
        let times = event.detail.get("more").and_then(Value::as_u64);
        let times = times.unwrap_or(1);
        let count = |kind| if event.kind == kind { times } else { 0 };
        let succeeded = count(EventKind::LoginSucceeded);
        let failed = count(EventKind::LoginFailed);
        if succeeded + failed == 0 {
            return;
        }
        let text = |id: Option<&str>| id.unwrap_or_default().to_owned();
        let user = text(event.user.as_ref().map(UserId::as_str));
        let client = text(event.client.as_ref().map(ClientId::as_str));
        let counts = self.0.entry((event.at.day(), user, client)).or_default();
        counts.0 += succeeded;
        counts.1 += failed;
    }

    fn has_logged_in(&self, user: &UserId) -> bool {
        let mut logins = self.0.iter();
        logins.any(|((_, id, _), (succeeded, _))| id == user.as_str() && *succeeded > 0)
    }

    /// In one order everywhere, so that two nodes do not lock rows crosswise.
    fn rows(self) -> Vec<LoginCount> {
        let some = |text: String| (!text.is_empty()).then_some(text);
        let rows = self.0.into_iter();
        rows.map(|((day, user, client), (succeeded, failed))| LoginCount {
            day,
            user: some(user).map(UserId::new),
            client: some(client).map(ClientId::new),
            succeeded,
            failed,
        })
        .collect()
    }
}
