//! OIDC Session Management 1.0 §2, §3.2 — `session_state`, by which a client's frame asks ours whether the
//! session is still the same.
//!
//! The state of the browser is a digest of its session's secret name, in a cookie that our frame can read.
//! It opens nothing.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::domain::id::ClientId;

/// The state of a browser with this session.
pub fn browser_state(session: &str) -> String {
    let digest = Sha256::new()
        .chain_update(b"countersign browser state:")
        .chain_update(session.as_bytes())
        .finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// The value for a client at this origin. `static/check_session.js` computes the same.
pub fn session_state(client: &ClientId, origin: &str, browser_state: &str, salt: &str) -> String {
    let digest = Sha256::digest(format!("{client} {origin} {browser_state} {salt}"));
    let mut state = String::with_capacity(64 + 1 + salt.len());
    for byte in digest {
        let _ = write!(state, "{byte:02x}");
    }
    state.push('.');
    state.push_str(salt);
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_digest_that_the_specification_describes() {
        // printf '%s' 'c https://rp.example b s' | sha256sum
        let state = session_state(&ClientId::new("c"), "https://rp.example", "b", "s");
        let digest = "722129347a1e4f68714771be4c65c37084f3ff6ef5ffa0a3d8029111055982c2";
        assert_eq!(state, format!("{digest}.s"));
        assert_ne!(browser_state("a"), browser_state("b"));
    }
}
