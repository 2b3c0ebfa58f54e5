//! Whose turn it is to change the embedded store.

use std::{
    io,
    sync::{
        Arc, Mutex, TryLockError,
        atomic::{AtomicBool, Ordering},
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

/// Makes changes one at a time: at once if nobody else is at it, otherwise on a thread, which is
/// also what syncs and sweeps. Dropping it ends the thread once everything is on the disk.
pub(super) struct Writer {
    desk: Arc<Desk>,
    queue: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(records: Records) -> io::Result<Self> {
        let (queue, tasks) = channel();
        let desk = Arc::new(Desk {
            records: Mutex::new(records),
            dirty: AtomicBool::new(false),
        });
        let thread = thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn({
                let desk = desk.clone();
                move || run(&desk, &tasks)
            })?;
        Ok(Self {
            desk,
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Makes a change; answers when it would survive the end of this process.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Records) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let change = match self.try_now(change)? {
            Attempt::Done(answer) => return answer,
            Attempt::Busy(change) => change,
        };
        let (sender, answer) = oneshot::channel();
        self.submit(Task::Change(Box::new(move |records| {
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
        self.submit(Task::DurableChange(Box::new(move |records| {
            let result = change(records);
            Box::new(move |synced| {
                let _ = sender.send(synced.and(result));
            })
        })))?;
        answer.await.map_err(|_| stopped())?
    }

    /// Makes the change here and now if that is a matter of microseconds: nobody is at the desk (who
    /// might be syncing), and the store does not hold writers up.
    fn try_now<T, C>(&self, change: C) -> Result<Attempt<T, C>, StateError>
    where
        C: FnOnce(&Records) -> Result<T, StateError>,
    {
        let records = match self.desk.records.try_lock() {
            Ok(records) => records,
            Err(TryLockError::WouldBlock) => return Ok(Attempt::Busy(change)),
            Err(TryLockError::Poisoned(_)) => return Err(stopped()),
        };
        if records.are_behind() {
            return Ok(Attempt::Busy(change));
        }
        let answer = change(&records);
        drop(records);
        if !self.desk.dirty.swap(true, Ordering::AcqRel) {
            self.submit(Task::Wake)?;
        }
        Ok(Attempt::Done(answer))
    }

    fn submit(&self, task: Task) -> Result<(), StateError> {
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(task).map_err(|_| stopped())
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

enum Attempt<T, C> {
    Done(Result<T, StateError>),
    Busy(C),
}

/// What whoever changes the store must hold.
struct Desk {
    records: Mutex<Records>,
    /// Whether something has been written since the last sync, and the thread knows.
    dirty: AtomicBool,
}

enum Task {
    Change(Box<dyn FnOnce(&Records) + Send>),
    DurableChange(Box<dyn FnOnce(&Records) -> Answer + Send>),
    /// Something was written elsewhere and wants to be synced before long.
    Wake,
}

/// Sends the result of a change once it is known whether the sync succeeded.
type Answer = Box<dyn FnOnce(Result<(), StateError>) + Send>;

fn run(desk: &Desk, tasks: &Receiver<Task>) {
    let mut upkeep = Upkeep::new();
    loop {
        let task = tasks.recv_timeout(upkeep.pause(desk));
        let Ok(records) = desk.records.lock() else {
            return;
        };
        match task {
            Ok(first) => {
                let waiting = apply(&records, tasks, first);
                desk.dirty.store(true, Ordering::Release);
                if !waiting.is_empty() {
                    answer(waiting, upkeep.sync(desk, &records));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        upkeep.run(desk, &records);
    }
    let last = desk.records.lock().map(|records| records.sync());
    if let Ok(Err(error)) = last {
        tracing::error!(%error, "the state store could not be written out");
    }
}

/// Applies what is queued and returns the answers that wait for a sync.
fn apply(records: &Records, tasks: &Receiver<Task>, first: Task) -> Vec<Answer> {
    let queued = std::iter::once(first).chain(tasks.try_iter());
    queued
        .take(BATCH)
        .filter_map(|task| match task {
            Task::Change(change) => {
                change(records);
                None
            }
            Task::DurableChange(change) => Some(change(records)),
            Task::Wake => None,
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
    synced: Instant,
    next_sweep: Instant,
}

impl Upkeep {
    fn new() -> Self {
        let now = monotonic();
        Self {
            synced: now,
            next_sweep: now,
        }
    }

    /// How long there is nothing to do: at rest the thread wakes once a minute.
    fn pause(&self, desk: &Desk) -> Duration {
        let now = monotonic();
        let sweep = self.next_sweep.saturating_duration_since(now);
        if desk.dirty.load(Ordering::Acquire) {
            sweep.min((self.synced + SYNC_INTERVAL).saturating_duration_since(now))
        } else {
            sweep
        }
    }

    fn run(&mut self, desk: &Desk, records: &Records) {
        let now = monotonic();
        if let Err(error) = records.flush_if_large() {
            tracing::error!(%error, "the state store could not be flushed");
        }
        if desk.dirty.load(Ordering::Acquire)
            && now.duration_since(self.synced) >= SYNC_INTERVAL
            && let Err(error) = self.sync(desk, records)
        {
            tracing::error!(%error, "the state store could not be synced");
        }
        if now >= self.next_sweep {
            self.sweep(records, now);
        }
    }

    /// Syncs; the caller is at the desk, so nothing is written meanwhile that this would forget.
    fn sync(&mut self, desk: &Desk, records: &Records) -> fjall::Result<()> {
        desk.dirty.store(false, Ordering::Release);
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
                tracing::warn!(%error, "expired state could not be swept");
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
