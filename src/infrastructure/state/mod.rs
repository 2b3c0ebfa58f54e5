//! Two homes for short-lived state with one behavior: a log-structured store inside the process for
//! one node, Redis for many.

mod embedded;
mod metered;
mod redis;
mod sessions;

pub use self::{
    embedded::{EmbeddedStore, OpenError, hold, set_aside},
    metered::Metered,
    redis::{ConnectError, RedisOptions, RedisStore},
    sessions::StateSessions,
};

use std::time::Duration;

/// The longest time to live that a store is asked for; longer ones are cut to it. Far beyond any
/// record's life, far below what a store's arithmetic can hold.
const LONGEST: Duration = Duration::from_hours(24 * 366 * 10);

/// A time to live in the milliseconds that both stores count, at least one.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.min(LONGEST).as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
