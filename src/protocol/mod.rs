//! The specifications as pure functions and types: parse, decide, describe. No I/O, no clock, no
//! randomness.

pub mod access_token;
pub mod authentication;
pub mod authorization;
pub mod authorization_response;
pub mod authzen;
pub mod bearer;
pub mod capability;
pub mod claims_request;
pub mod client_assertion;
pub mod client_auth;
pub mod code_grant;
pub mod error;
pub mod gate;
pub mod id_token;
pub mod introspection;
pub mod issuer;
pub mod jwks;
pub mod known_device;
pub mod logout;
pub mod logout_token;
pub mod metadata;
pub mod params;
pub mod pkce;
pub mod refresh;
pub mod registration;
pub mod request_object;
pub mod resource;
pub mod response_mode;
pub mod revocation;
pub mod session_state;
pub mod token;
pub mod userinfo;
