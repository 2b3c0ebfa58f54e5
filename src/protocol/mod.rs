//! The specifications as pure functions and types: parse, decide, describe. No I/O, no clock, no randomness.
