//! Signed and encrypted tokens and their keys: the only place that knows josekit and rsa.
//!
//! josekit signs, verifies, encrypts and decrypts; rsa does nothing but generate RSA keys, which it does
//! three times as fast. Everything inbound is checked here first, because josekit panics on some hostile input and
//! lets other pass: compact serialization of at most 16 KiB, an allow-list of algorithms, signatures
//! of exactly the right length, no critical extensions, no member twice, sane dates, no keys out of
//! headers, no unusual keys.

mod accepted;
mod client_set;
mod decrypt;
mod encrypt;
mod json;
mod jwk;
mod mac;
mod ring;
mod sign;
mod vault;
mod verify;
mod weak;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::{
    client_set::{JwksError, validate_client_jwks},
    json::{NotUnique, parse_unique},
    ring::KeyRing,
    vault::{KeyError, KeyVault, opens},
    verify::{verify_assertion, verify_signature},
};

/// Runs what josekit does; a panic of it is a failure like any other.
fn guarded<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok().flatten()
}
