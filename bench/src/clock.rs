//! The clock of the machine: measuring is what this program is for.

use std::time::{Duration, Instant, SystemTime};

/// This moment, for differences.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock port of the provider is not for its bench"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, to date a row.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock port of the provider is not for its bench"
)]
pub(crate) fn unix() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
