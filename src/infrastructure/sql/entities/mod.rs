//! The tables as sea-orm sees them. Rows never leave `infrastructure::sql`.

// What the derive macros generate carries neither.
#![allow(missing_docs, unreachable_pub)]

pub(super) mod audit_event;
pub(super) mod client;
pub(super) mod consent;
pub(super) mod directory_change;
pub(super) mod grant;
pub(super) mod group;
pub(super) mod group_member;
pub(super) mod group_role;
pub(super) mod login_statistics;
pub(super) mod one_time_link;
pub(super) mod outbox;
pub(super) mod password_credential;
pub(super) mod permission;
pub(super) mod resource_server;
pub(super) mod revocation;
pub(super) mod role;
pub(super) mod role_assignment;
pub(super) mod signing_key;
pub(super) mod user;
pub(super) mod user_claim;
pub(super) mod user_session;
