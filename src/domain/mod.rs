//! What exists in the business of identity, whatever the protocol: users, roles, clients, grants,
//! events. No I/O, no clock, no randomness.

pub mod client;
pub mod consent;
pub mod event;
pub mod grant;
pub mod id;
pub mod key;
pub mod redirect_uri;
pub mod resource;
pub mod role;
pub mod scope;
pub mod secret;
pub mod time;
pub mod user;
