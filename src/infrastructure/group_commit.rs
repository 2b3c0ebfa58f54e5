//! The ledger: one task writes what concurrent requests append, everything that is waiting in one
//! transaction. Nobody waits for company that is not there: while a commit is under way, the next batch
//! gathers, so a lone request pays for itself alone and a crowd shares.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::{
    application::ports::{Entry, Ledger, Store, StoreError, UnitOfWork},
    domain::{event::AuditEvent, grant::Grant, time::Timestamp},
    telemetry,
};

/// Entries in one transaction at most: well below the number of parameters that a statement may have.
const BATCH: usize = 128;
/// Entries that may wait. Whoever comes beyond is told that the database is busy.
const QUEUE: usize = 4096;

/// A ledger over a store.
pub struct GroupCommit {
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    entry: Entry,
    answer: oneshot::Sender<Result<bool, StoreError>>,
}

impl GroupCommit {
    /// Starts the task, which ends when the ledger is dropped. Must be called inside a runtime.
    pub fn start(store: Arc<dyn Store>) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        tokio::spawn(run(store, entries));
        Self { queue }
    }
}

#[async_trait]
impl Ledger for GroupCommit {
    async fn append(&self, entry: Entry) -> Result<bool, StoreError> {
        let span = telemetry::span("ledger", "append");
        let result = self.write(entry).await;
        span.end(&result);
        result
    }
}

impl GroupCommit {
    async fn write(&self, entry: Entry) -> Result<bool, StoreError> {
        let (answer, written) = oneshot::channel();
        self.queue
            .try_send(Waiting { entry, answer })
            .map_err(|_| unavailable("too many writes are waiting for the database"))?;
        written
            .await
            .map_err(|_| unavailable("the writer of the ledger has stopped"))?
    }
}

async fn run(store: Arc<dyn Store>, mut entries: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        join_those_at_hand(&mut entries, &mut batch).await;
        let (waiting, answers): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|Waiting { entry, answer }| (entry, answer))
            .unzip();
        match write(&*store, &waiting).await {
            Ok(written) => {
                for (answer, written) in answers.into_iter().zip(written) {
                    // Whoever asked may have gone; what is written stands all the same.
                    let _ = answer.send(Ok(written));
                }
            }
            Err(error) => one_by_one(&*store, waiting, answers, error).await,
        }
    }
}

/// Takes along what is about to be appended: every request that can go on now does so once, without
/// a timer. A lone entry waits for a turn of the runtime, microseconds.
async fn join_those_at_hand(entries: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>) {
    tokio::task::yield_now().await;
    while batch.len() < BATCH
        && let Ok(waiting) = entries.try_recv()
    {
        batch.push(waiting);
    }
}

/// One entry that cannot be written must not take the others along.
async fn one_by_one(
    store: &dyn Store,
    entries: Vec<Entry>,
    answers: Vec<oneshot::Sender<Result<bool, StoreError>>>,
    error: StoreError,
) {
    if entries.len() == 1 {
        for answer in answers {
            let _ = answer.send(Err(unavailable(&error.to_string())));
        }
        tracing::warn!(error = &error as &dyn std::error::Error, "the ledger");
        return;
    }
    for (entry, answer) in entries.into_iter().zip(answers) {
        let written = write(store, std::slice::from_ref(&entry)).await;
        let _ = answer.send(written.map(|written| written.first().copied().unwrap_or(false)));
    }
}

/// Writes all of it in one transaction; for each whether it was written.
async fn write(store: &dyn Store, entries: &[Entry]) -> Result<Vec<bool>, StoreError> {
    let work = store.begin().await?;
    let written = redeem(&*work, entries).await?;
    let mut revocations = Vec::new();
    let mut events: Vec<AuditEvent> = Vec::new();
    for (entry, written) in entries.iter().zip(&written) {
        match entry {
            Entry::Redeem { event, .. } if *written => events.push((**event).clone()),
            Entry::Redeem { .. } => {}
            Entry::Revoke { id, expires_at } => revocations.push((id.clone(), *expires_at)),
            Entry::Event(event) => events.push((**event).clone()),
        }
    }
    work.revoke_all(&revocations).await?;
    work.record_all(&events).await?;
    work.commit().await?;
    Ok(written)
}

async fn redeem(work: &dyn UnitOfWork, entries: &[Entry]) -> Result<Vec<bool>, StoreError> {
    let grants: Vec<(&Grant, Timestamp)> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Redeem {
                grant, expires_at, ..
            } => Some((&**grant, *expires_at)),
            Entry::Revoke { .. } | Entry::Event(_) => None,
        })
        .collect();
    let mut redeemed = work.redeem_grants(&grants).await?.into_iter();
    Ok(entries
        .iter()
        .map(|entry| match entry {
            Entry::Redeem { .. } => redeemed.next().unwrap_or(false),
            Entry::Revoke { .. } | Entry::Event(_) => true,
        })
        .collect())
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable(reason.to_owned().into())
}
