//! One cause, one line: the first failure is logged at once, then how many there were, at most once
//! a minute.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::monotonic;

const PAUSE: Duration = Duration::from_mins(1);

/// What was said about the present trouble.
#[derive(Default)]
pub(super) struct Complaint(Mutex<Said>);

#[derive(Default)]
struct Said {
    at: Option<Instant>,
    /// All failures since the trouble began.
    failures: u64,
}

impl Complaint {
    /// Counts a failure, and logs it if that is due.
    pub(super) fn about(&self, error: &(dyn Error + 'static)) {
        if let Some(failures) = self.count(monotonic()) {
            tracing::error!(
                error,
                failures,
                "the disk of the state store fails: requests that need it are refused until it \
                 can be written"
            );
        }
    }

    /// The trouble is over: says how many failures it made.
    pub(super) fn settle(&self) -> u64 {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *said).failures
    }

    fn count(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.failures += 1;
        if said.at.is_some_and(|at| now.duration_since(at) < PAUSE) {
            return None;
        }
        said.at = Some(now);
        Some(said.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_is_said_at_once_and_then_once_a_minute() {
        let complaint = Complaint::default();
        let start = monotonic();
        let said: Vec<_> = (0..5_000_u32)
            .filter_map(|number| complaint.count(start + Duration::from_millis(30) * number))
            .collect();
        assert_eq!(said, [1, 2001, 4001]);
        assert_eq!(complaint.settle(), 5_000);
        assert_eq!(complaint.count(start), Some(1), "a new trouble is new");
    }
}
