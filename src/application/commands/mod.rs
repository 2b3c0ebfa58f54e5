//! Commands: what changes something. Each is an imperative struct or function with a typed error.

pub mod assign_role;
pub mod authorize;
pub mod change_client;
pub mod change_email;
pub mod change_password;
pub mod change_user;
pub mod define_group;
pub mod define_role;
pub mod end_grant;
pub mod end_session;
pub mod end_session_of_user;
pub mod exchange_token;
pub mod invite;
pub mod log_in;
pub mod log_out;
pub mod log_out_first_party;
pub mod note_session;
pub mod register_client;
pub mod register_resource;
pub mod register_self;
pub mod register_user;
pub mod reset_password;
pub mod retry_outbox;
pub mod revoke_token;
pub mod set_claim;
pub mod withdraw_consent;
