//! The one thread that changes the embedded store.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::records::{Records, store_time};
use crate::application::ports::state::StateError;

/// How long a change that need not survive a power cut may stay in the operating system.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// What one turn of a sweep removes: well under a millisecond, so that changes hardly wait for it.
const SWEEP_ROWS: usize = 500;
/// How many changes may share one sync.
const BATCH: usize = 256;

/// The queue to the thread; dropping it ends the thread once everything is on the disk.
pub(super) struct Writer {
    queue: Option<Sender<Change>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(records: Records) -> io::Result<Self> {
        let (queue, changes) = channel();
        let thread = thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || run(&records, &changes))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Makes a change; answers when it would survive the end of this process.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Records) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let (sender, answer) = oneshot::channel();
        self.submit(Change::Quick(Box::new(move |records| {
            // Whoever asked may have gone; the change stands all the same.
            let _ = sender.send(change(records));
        })))?;
        answer.await.map_err(|_| stopped())?
    }

    /// Makes a change; answers when it would survive a power cut.
    pub(super) async fn change_durably<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Records) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let (sender, answer) = oneshot::channel();
        self.submit(Change::Durable(Box::new(move |records| {
            let result = change(records);
            Box::new(move |synced| {
                let _ = sender.send(synced.and(result));
            })
        })))?;
        answer.await.map_err(|_| stopped())?
    }

    fn submit(&self, change: Change) -> Result<(), StateError> {
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(change).map_err(|_| stopped())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the state store panicked");
        }
    }
}

enum Change {
    Quick(Box<dyn FnOnce(&Records) + Send>),
    Durable(Box<dyn FnOnce(&Records) -> Answer + Send>),
}

/// Sends the result of a change once it is known whether the sync succeeded.
type Answer = Box<dyn FnOnce(Result<(), StateError>) + Send>;

fn run(records: &Records, changes: &Receiver<Change>) {
    let mut upkeep = Upkeep::new();
    loop {
        match changes.recv_timeout(upkeep.pause()) {
            Ok(first) => {
                let waiting = apply(records, changes, first);
                upkeep.dirty = true;
                if !waiting.is_empty() {
                    answer(waiting, upkeep.sync(records));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        upkeep.run(records);
    }
    if let Err(error) = records.sync() {
        tracing::error!(%error, "the state store could not be written out");
    }
}

/// Applies what is queued and returns the answers that wait for a sync.
fn apply(records: &Records, changes: &Receiver<Change>, first: Change) -> Vec<Answer> {
    let queued = std::iter::once(first).chain(changes.try_iter());
    queued
        .take(BATCH)
        .filter_map(|change| match change {
            Change::Quick(change) => {
                change(records);
                None
            }
            Change::Durable(change) => Some(change(records)),
        })
        .collect()
}

fn answer(waiting: Vec<Answer>, synced: fjall::Result<()>) {
    let synced = synced.map_err(Arc::new);
    for answer in waiting {
        let synced = synced.clone();
        answer(synced.map_err(|error| StateError::Unavailable(error.into())));
    }
}

/// What the thread does between changes.
struct Upkeep {
    dirty: bool,
    synced: Instant,
    next_sweep: Instant,
}

impl Upkeep {
    fn new() -> Self {
        let now = monotonic();
        Self {
            dirty: false,
            synced: now,
            next_sweep: now,
        }
    }

    /// How long there is nothing to do: at rest the thread wakes once a minute.
    fn pause(&self) -> Duration {
        let now = monotonic();
        let sweep = self.next_sweep.saturating_duration_since(now);
        if self.dirty {
            sweep.min((self.synced + SYNC_INTERVAL).saturating_duration_since(now))
        } else {
            sweep
        }
    }

    fn run(&mut self, records: &Records) {
        let now = monotonic();
        if self.dirty
            && now.duration_since(self.synced) >= SYNC_INTERVAL
            && let Err(error) = self.sync(records)
        {
            tracing::error!(%error, "the state store could not be synced");
        }
        if now >= self.next_sweep {
            self.sweep(records, now);
        }
    }

    fn sync(&mut self, records: &Records) -> fjall::Result<()> {
        self.dirty = false;
        records.sync()?;
        self.synced = monotonic();
        Ok(())
    }

    fn sweep(&mut self, records: &Records, now: Instant) {
        match records.sweep(store_time(), SWEEP_ROWS) {
            // There is more: go on after the changes that have come in meanwhile.
            Ok(SWEEP_ROWS) => {}
            Ok(_) => self.next_sweep = now + SWEEP_INTERVAL,
            Err(error) => {
                tracing::warn!(error = %error, "expired state could not be swept");
                self.next_sweep = now + SWEEP_INTERVAL;
            }
        }
    }
}

fn stopped() -> StateError {
    StateError::Unavailable("the writer of the state store has stopped".into())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pace of upkeep, not a fact about any record"
)]
fn monotonic() -> Instant {
    Instant::now()
}
