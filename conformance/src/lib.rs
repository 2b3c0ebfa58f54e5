//! What the runner and this crate's tests share: the runs, and the provider that a run is about.

pub mod catalog;
pub mod provider;
