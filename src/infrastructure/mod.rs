//! What talks to the outside: databases, state stores, keys, hashing, the clock.

pub mod certificates;
pub mod clock;
pub mod disk;
pub mod group_commit;
pub mod jose;
pub mod kek;
pub mod mail;
pub mod outbound;
pub mod password;
pub mod random;
pub mod sql;
pub mod state;
