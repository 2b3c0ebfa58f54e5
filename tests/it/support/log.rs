//! What the provider logs, for the tests that look at it.

use std::sync::OnceLock;

use tracing::{
    Dispatch, Subscriber,
    subscriber::{DefaultGuard, NoSubscriber},
};

/// Sends this thread's events to `subscriber` until the guard is dropped.
///
/// As long as a process has one subscriber only, whichever thread meets an event first decides for all
/// whether anybody listens to it, and other tests' threads say no. So there is always a second.
pub(crate) fn listen(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(NoSubscriber::new()));
    tracing::subscriber::set_default(subscriber)
}
