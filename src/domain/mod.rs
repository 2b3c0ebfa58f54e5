//! What exists in the business of identity, whatever the protocol: users, roles, clients, grants,
//! events. No I/O, no clock, no randomness.

pub mod administration;
pub mod algorithm;
pub mod brand;
pub mod certificate;
pub mod claim_demand;
pub mod claim_name;
pub mod client;
pub mod client_authentication;
pub mod client_encryption;
pub mod client_keys;
pub mod client_logout;
pub mod client_registration;
pub mod client_rights;
pub mod consent;
pub mod decision;
pub mod event;
pub mod grant;
pub mod id;
pub mod key;
pub mod names;
pub mod one_time;
pub mod password;
pub mod permission;
pub mod profile;
pub mod redirect_uri;
pub mod request_objects;
pub mod resource;
pub mod response_type;
pub mod role;
pub mod scope;
pub mod secret;
pub mod time;
pub mod user;
pub mod user_session;
