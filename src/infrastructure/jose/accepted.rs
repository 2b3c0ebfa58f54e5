//! Tokens of ours that were verified before. A JWT comes back to userinfo and introspection many
//! times in its life, and a signature that was right once stays right.
//!
//! Nothing but that is remembered: whether the key still counts, and whether token, grant, client and
//! user still stand, is looked at each time. What is wrong is not remembered either, so only we can
//! fill the places, with tokens that we signed.

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

/// Tokens at most, for each key: some 64 bytes each.
const TOKENS: usize = 8_192;

/// Whole tokens that one key signed, by their digests.
pub(super) struct Accepted(Cache<[u8; 32], ()>);

impl Accepted {
    /// Knows none yet.
    pub(super) fn new() -> Self {
        Self(Cache::new(TOKENS))
    }

    /// Whether `token` was accepted before or `is_signed` accepts it now. All of it counts, header and
    /// signature included: another signature is another token.
    pub(super) fn accepts(&self, token: &str, is_signed: impl FnOnce() -> bool) -> bool {
        let digest = Sha256::digest(token).into();
        if self.0.get(&digest).is_some() {
            return true;
        }
        let accepted = is_signed();
        if accepted {
            self.0.insert(digest, ());
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_verified_until_it_was_right_once() {
        let accepted = Accepted::new();
        assert!(!accepted.accepts("a.b.c", || false));
        assert!(accepted.accepts("a.b.c", || true), "a failure is forgotten");
        assert!(accepted.accepts("a.b.c", || false), "a success is not");
        assert!(!accepted.accepts("a.b.d", || false), "another signature");
    }
}
