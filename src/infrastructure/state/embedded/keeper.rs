//! The thread beside the requests: it syncs for all that wait, syncs the rest ten times a second,
//! sweeps what has expired, and opens the tables again after the disk has failed.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{engine::Engine, journal::Journal, monotonic, records::store_time};
use crate::application::ports::state::StateError;

/// How long a change that need not survive a power cut may stay in the operating system.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// What one turn of a sweep removes: a few milliseconds, so that whoever waits for a sync hardly
/// waits for it.
const SWEEP_ROWS: usize = 500;
/// How often a disk that has failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// What is written to try: more than the smallest change needs.
const TRIAL: &str = "trial";
const TRIAL_BYTES: usize = 64 * 1024;

/// Handle to the thread; dropping it ends the thread once everything is on the disk.
pub(super) struct Keeper {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(engine: Arc<Engine>) -> io::Result<Self> {
        let desk = Arc::<Desk>::default();
        let theirs = desk.clone();
        let thread = thread::Builder::new()
            .name("state-keeper".to_owned())
            .spawn(move || Upkeep::new(&engine).run(&theirs))?;
        Ok(Self {
            desk,
            thread: Some(thread),
        })
    }

    /// Says that something was changed that may wait a little before it is on the disk.
    pub(super) fn changed(&self) {
        let mut wishes = self.desk.wishes();
        if !std::mem::replace(&mut wishes.changed, true) {
            self.desk.bell.notify_one();
        }
    }

    /// Waits until everything changed so far would survive a power cut.
    pub(super) async fn synced(&self) -> Result<(), StateError> {
        let (sender, answer) = oneshot::channel();
        self.desk.wishes().waiting.push(sender);
        self.desk.bell.notify_one();
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.desk.wishes().stop = true;
        self.desk.bell.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of the state store panicked");
        }
    }
}

/// Where requests leave their wishes.
#[derive(Default)]
struct Desk {
    wishes: Mutex<Wishes>,
    bell: Condvar,
}

#[derive(Default)]
struct Wishes {
    waiting: Vec<Waiting>,
    changed: bool,
    stop: bool,
}

type Waiting = oneshot::Sender<Result<(), StateError>>;

impl Desk {
    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for wishes, at most until `due` has passed, and takes them. What changed without
    /// anybody waiting is not a reason to wake the thread again before its time.
    fn take(&self, dirty: bool, due: impl Fn(bool) -> Duration) -> Wishes {
        let mut wishes = self.wishes();
        loop {
            let pause = due(dirty || wishes.changed);
            if wishes.stop || !wishes.waiting.is_empty() || pause.is_zero() {
                let stop = wishes.stop;
                let taken = std::mem::take(&mut *wishes);
                wishes.stop = stop;
                return taken;
            }
            let woken = self.bell.wait_timeout(wishes, pause);
            wishes = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct Upkeep<'a> {
    engine: &'a Engine,
    journal: Journal,
    dirty: bool,
    synced: Instant,
    next_sweep: Instant,
    next_trial: Instant,
}

impl<'a> Upkeep<'a> {
    fn new(engine: &'a Engine) -> Self {
        let now = monotonic();
        Self {
            engine,
            journal: Journal::default(),
            dirty: false,
            synced: now,
            next_sweep: now,
            next_trial: now,
        }
    }

    fn run(mut self, desk: &Desk) {
        loop {
            let wishes = desk.take(self.dirty, |dirty| self.pause(dirty));
            self.dirty |= wishes.changed;
            if !wishes.waiting.is_empty() {
                let synced = self.sync();
                answer(wishes.waiting, synced);
            }
            if wishes.stop {
                break;
            }
            self.work();
        }
        if let Err(error) = self.sync() {
            tracing::error!(%error, "the state store could not be written out");
        }
    }

    /// How long there is nothing to do: at rest the thread wakes once a minute.
    fn pause(&self, dirty: bool) -> Duration {
        let now = monotonic();
        let until = |moment: Instant| moment.saturating_duration_since(now);
        if self.engine.is_broken() {
            return until(self.next_trial);
        }
        let sweep = until(self.next_sweep);
        if dirty {
            sweep.min(until(self.synced + SYNC_INTERVAL))
        } else {
            sweep
        }
    }

    fn work(&mut self) {
        let now = monotonic();
        if self.engine.is_broken() {
            if now >= self.next_trial {
                self.try_again();
                self.next_trial = monotonic() + RETRY_INTERVAL;
            }
            return;
        }
        if self.dirty && now.duration_since(self.synced) >= SYNC_INTERVAL {
            // A failure is noted by the engine.
            let _ = self.sync();
        }
        if now >= self.next_sweep {
            self.sweep(now);
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.dirty = false;
        if self.engine.is_broken() {
            return Err(io::Error::other("the disk of the state store has failed"));
        }
        let synced = self.journal.sync(self.engine.directory());
        if let Err(error) = &synced {
            self.engine.fail(error);
        }
        self.synced = monotonic();
        synced
    }

    fn sweep(&mut self, now: Instant) {
        let time = store_time();
        let due = self.engine.read(|records| records.due(time, SWEEP_ROWS));
        let swept = due.and_then(|due| {
            for row in &due {
                self.engine
                    .change(row.key(), |records| records.sweep(row, time))?;
            }
            Ok(due.len())
        });
        self.dirty = true;
        match swept {
            // There is more: go on after those that wait for a sync.
            Ok(SWEEP_ROWS) => {}
            Ok(_) => self.next_sweep = now + SWEEP_INTERVAL,
            // What is due stays due.
            Err(error) => {
                if !self.engine.is_broken() {
                    tracing::warn!(%error, "expired state could not be swept");
                }
                self.next_sweep = now + SWEEP_INTERVAL;
            }
        }
    }

    /// Opens the tables again if the disk takes what we write.
    fn try_again(&mut self) {
        let again = self
            .trial()
            .map_err(|error| StateError::Unavailable(error.into()));
        self.journal = Journal::default();
        if let Err(StateError::Unavailable(error)) = again.and_then(|()| self.engine.reopen()) {
            self.engine.fail(&*error);
        }
    }

    fn trial(&self) -> io::Result<()> {
        let path = self.engine.directory().join(TRIAL);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; TRIAL_BYTES])?;
            file.sync_all()
        });
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => written,
        }
    }
}

fn answer(waiting: Vec<Waiting>, synced: io::Result<()>) {
    let synced = synced.map_err(Arc::new);
    for waiting in waiting {
        let synced = synced.clone();
        // Whoever asked may have gone; the change stands all the same.
        let _ = waiting.send(synced.map_err(|error| StateError::Unavailable(error.into())));
    }
}

fn stopped() -> StateError {
    StateError::Unavailable("the keeper of the state store has stopped".into())
}
