//! PKCE pairs, computed before anything is measured.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Pairs of one virtual user; they are used in turns.
const PAIRS: u32 = 64;

/// A verifier and its S256 challenge (RFC 7636 §4).
#[derive(Clone, Debug)]
pub(crate) struct Pkce {
    pub(crate) verifier: String,
    pub(crate) challenge: String,
}

/// The pairs of one virtual user.
pub(crate) fn pairs(user: usize) -> Vec<Pkce> {
    let pair = |number: u32| {
        let secret = Sha256::digest(format!("{user} {number}"));
        let verifier = URL_SAFE_NO_PAD.encode(secret);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        Pkce {
            verifier,
            challenge,
        }
    };
    (0..PAIRS).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_every_user_is_another() {
        let all = [pairs(0), pairs(1)].concat();
        let distinct: std::collections::BTreeSet<_> =
            all.iter().map(|pair| &pair.challenge).collect();
        assert_eq!(distinct.len(), all.len());
    }
}
