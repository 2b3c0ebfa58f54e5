//! What talks to the outside: databases, state stores, keys, hashing, the clock.

pub mod sql;
pub mod state;
