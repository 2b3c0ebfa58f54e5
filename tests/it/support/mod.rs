//! What several suites need: servers and clients that clean up after themselves.

pub(crate) mod answer;
pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod fixtures;
pub(crate) mod keys;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod smtp;
pub(crate) mod sql;
