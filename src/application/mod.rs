//! Use cases: commands change, queries read; both load, let the protocol decide, and apply.

pub mod ports;
pub mod state;
