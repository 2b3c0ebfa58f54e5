//! Queries: what only reads.

pub mod account;
pub mod administration;
pub mod administrator;
pub mod audit;
pub mod check;
pub mod export;
pub mod introspect;
pub mod login;
pub mod me;
pub mod origins;
pub mod outbox;
pub mod sessions;
pub mod userinfo;
