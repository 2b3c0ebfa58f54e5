//! What was promised, and whether an answer keeps it.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::time::Instant;

/// The book of one run.
#[derive(Default)]
pub(super) struct Book {
    pub(super) operations: AtomicU64,
    /// Requests whose answer never came: they may have happened or not.
    pub(super) unanswered: AtomicU64,
    /// Counts what may take records along that are allowed to go: an emptied Redis, a clock that jumps
    /// past their end. What was made before such a moment need not work after it.
    pub(super) losses: AtomicU64,
    pub(super) stop: AtomicBool,
    pub(super) violations: Mutex<Vec<String>>,
}

impl Book {
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    pub(super) fn lose(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Notes a broken promise.
    pub(super) fn violated(&self, what: String) {
        self.violations.lock().unwrap().push(what);
    }
}

/// A token response that was answered, and what has been promised about it since.
pub(super) struct Granted {
    pub(super) client: &'static str,
    pub(super) access: String,
    pub(super) refresh: String,
    /// Losses when it was made.
    pub(super) losses: u64,
    /// Whether an answer said that the access token is revoked.
    pub(super) access_revoked: bool,
    /// Whether an answer said that all of it is revoked.
    pub(super) revoked: bool,
    /// Whether something was asked that would revoke, and no answer came: nothing is promised then.
    pub(super) unsure: bool,
    pub(super) made: Instant,
}

impl Granted {
    /// The access token must not be active.
    pub(super) fn must_be_dead(&self) -> bool {
        self.revoked || self.access_revoked
    }

    /// The access token must be active.
    pub(super) fn must_be_alive(&self, book: &Book) -> bool {
        !self.must_be_dead()
            && !self.unsure
            && self.losses == book.losses()
            && self.made.elapsed().as_secs() < 300
    }
}
