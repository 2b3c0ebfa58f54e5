//! Integration tests: one binary, one file per endpoint or suite.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod account;
mod account_deletion;
mod admin_api;
mod audit_trail;
mod authorize_check;
mod claim_mappers;
mod claims_parameter;
mod cli;
mod client_assertions;
mod client_keys;
mod client_logos;
mod client_logout;
mod clock_steps;
mod clocks;
mod code_flow;
mod code_replays;
mod discovery;
mod dynamic_registration;
mod encrypted_tokens;
mod end_races;
mod explained;
mod first_party_login;
mod floods;
mod flow_attacks;
mod forged_tokens;
mod forgetful_store;
mod full_disk;
mod guard;
mod history;
mod imported_hashes;
mod introspection;
mod jose;
mod layers;
mod limits;
mod login_limits;
mod login_pages;
mod login_timing;
mod logout;
mod lost_updates;
mod mail;
mod metrics;
mod mutual_tls;
mod operations;
mod password_reset;
mod playground;
mod readiness;
mod readme;
mod registrar;
mod registration;
mod request_attacks;
mod request_forms;
mod request_objects;
mod response_types;
mod retired_keys;
mod security_cases;
mod shrunk_clients;
mod shutdown;
mod signed_userinfo;
mod smtp;
mod sql_store;
mod state_lifetimes;
mod state_store;
mod support;
mod telemetry;
mod token_algorithms;
mod token_attacks;
mod trail_retention;
mod user_sessions;
mod userinfo;
mod warm_copies;
mod ways_through;
