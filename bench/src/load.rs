//! Closed and open loops of virtual users.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::{clock, error::Fault, scenario::Scenario, user::VirtualUser};

/// How the virtual users go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each begins when its last operation has ended.
    Closed,
    /// So many operations a second are due, whatever became of the last ones.
    Open(f64),
}

/// What bounds one window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// No operation begins later.
    pub(crate) length: Duration,
    /// No more operations begin.
    pub(crate) operations: u64,
}

/// What came of one window.
pub(crate) struct Outcome {
    /// From the first operation to the end of the last.
    pub(crate) elapsed: Duration,
    /// Operations that succeeded.
    pub(crate) successes: u64,
    /// Operations that failed.
    pub(crate) failures: u64,
    /// Why the first of those failed.
    pub(crate) first_fault: Option<Fault>,
    /// Microseconds; in an open loop from the moment at which an operation was due.
    pub(crate) latency: Histogram<u64>,
}

/// Percentiles to three digits, up to a minute.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants"))
}

/// Lets the users go, and returns them.
pub(crate) async fn run(
    users: Vec<VirtualUser>,
    scenario: Scenario,
    pace: Pace,
    bounds: Bounds,
) -> (Vec<VirtualUser>, Outcome) {
    let start = clock::now();
    let shared = Arc::new(Shared {
        start,
        next: AtomicU64::new(0),
        pace,
        bounds,
    });
    let mut tasks = JoinSet::new();
    for user in users {
        tasks.spawn(go(user, scenario, shared.clone()));
    }
    let mut outcome = Outcome {
        elapsed: Duration::ZERO,
        successes: 0,
        failures: 0,
        first_fault: None,
        latency: histogram(),
    };
    let mut users = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        // A virtual user that panicked is a fault of the bench; it shows as a missing one.
        let Ok((user, part)) = ended else { continue };
        users.push(user);
        outcome.successes += part.successes;
        outcome.failures += part.failures;
        outcome.first_fault = outcome.first_fault.or(part.first_fault);
        // Same bounds, so it fits.
        let _ = outcome.latency.add(&part.latency);
    }
    outcome.elapsed = start.elapsed();
    (users, outcome)
}

struct Shared {
    start: Instant,
    next: AtomicU64,
    pace: Pace,
    bounds: Bounds,
}

impl Shared {
    /// When the next operation is due; `None` when the window is over.
    fn due(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.bounds.operations {
            return None;
        }
        let due = match self.pace {
            Pace::Closed => clock::now(),
            Pace::Open(rate) => self.start + Duration::from_secs_f64(number as f64 / rate),
        };
        (due < self.start + self.bounds.length).then_some(due)
    }
}

async fn go(
    mut user: VirtualUser,
    scenario: Scenario,
    shared: Arc<Shared>,
) -> (VirtualUser, Outcome) {
    let mut part = Outcome {
        elapsed: Duration::ZERO,
        successes: 0,
        failures: 0,
        first_fault: None,
        latency: histogram(),
    };
    while let Some(due) = shared.due() {
        wait_for(due).await;
        match user.step(scenario).await {
            Ok(()) => {
                part.successes += 1;
                let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                part.latency.saturating_record(micros.max(1));
            }
            Err(Fault::Exhausted) => break,
            Err(fault) => {
                part.failures += 1;
                part.first_fault.get_or_insert(fault);
                // What failed may have spent what the next operation needs.
                if user.prepare(scenario).await.is_err() {
                    break;
                }
            }
        }
    }
    (user, part)
}

/// The runtime's timer counts whole milliseconds: the rest is waited for in turns with the others.
async fn wait_for(due: Instant) {
    const COARSE: Duration = Duration::from_millis(2);
    let left = due.saturating_duration_since(clock::now());
    if left > COARSE {
        tokio::time::sleep(left.saturating_sub(COARSE)).await;
    }
    while clock::now() < due {
        tokio::task::yield_now().await;
    }
}
