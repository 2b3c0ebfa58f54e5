//! What exists in the business of identity, whatever the protocol: users, roles, clients, grants, events. No I/O, no clock, no randomness.
