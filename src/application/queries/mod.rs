//! Queries: what only reads.

pub mod introspect;
pub mod login;
pub mod origins;
pub mod outbox;
pub mod userinfo;
