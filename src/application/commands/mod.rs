//! Commands: what changes something. Each is an imperative struct or function with a typed error.

pub mod authorize;
pub mod end_session;
pub mod exchange_token;
pub mod log_in;
pub mod log_out;
pub mod revoke_token;
