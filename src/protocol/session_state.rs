//! OIDC Session Management 1.0 §2, §3.2 — `session_state`, by which a client's frame asks ours whether the
//! session is still the same.
//!
//! The state of the browser is a digest of its session's secret name, in a cookie that our frame can read.
//! It opens nothing.

use std::{borrow::Cow, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::domain::id::ClientId;

/// The state of a browser with this session.
pub fn browser_state(session: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(b"countersign browser state:")
        .chain_update(session)
        .finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// The origin of a redirection URI (RFC 6454 §6.2); none for a private scheme, which has no pages that
/// could hold a frame. What is written as browsers write it is taken as it is, without a parser.
pub fn origin(redirect_uri: &str) -> Option<Cow<'_, str>> {
    let plain = redirect_uri.strip_prefix("https://").and_then(|rest| {
        let host = rest
            .find(['/', '?'])
            .map_or(rest, |end| rest.split_at(end).0);
        let is_plain =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        let is_name = host.bytes().all(is_plain) && host.bytes().any(|b| b.is_ascii_lowercase());
        let end = "https://".len() + host.len();
        is_name.then(|| redirect_uri.split_at(end).0)
    });
    if let Some(plain) = plain {
        return Some(Cow::Borrowed(plain));
    }
    let origin = url::Url::parse(redirect_uri).ok()?.origin();
    origin
        .is_tuple()
        .then(|| Cow::Owned(origin.ascii_serialization()))
}

/// The value for a client at this origin. `static/check_session.js` computes the same.
pub fn session_state(client: &ClientId, origin: &str, browser_state: &str, salt: &str) -> String {
    let mut digest = Sha256::new();
    for part in [client.as_str(), " ", origin, " ", browser_state, " ", salt] {
        digest.update(part);
    }
    let digest = digest.finalize();
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
        for (uri, expected) in [
            ("https://rp.example/cb?x=1", Some("https://rp.example")),
            ("https://rp.example", Some("https://rp.example")),
            ("https://rp.example:443/cb", Some("https://rp.example")),
            (
                "https://rp.example:8443/cb",
                Some("https://rp.example:8443"),
            ),
            ("https://RP.example/cb", Some("https://rp.example")),
            ("https://192.0.2.1/cb", Some("https://192.0.2.1")),
            ("http://localhost:3000/cb", Some("http://localhost:3000")),
            ("com.example.app:/cb", None),
        ] {
            assert_eq!(origin(uri).as_deref(), expected, "{uri}");
        }
        assert_ne!(browser_state(b"a"), browser_state(b"b"));
    }
}
