//! Countersign: an OAuth 2.x / OpenID Connect provider.

pub mod app;
pub mod application;
pub mod cli;
pub mod config;
pub mod domain;
pub mod infrastructure;
pub mod metrics;
pub mod protocol;
pub mod telemetry;
pub mod web;
