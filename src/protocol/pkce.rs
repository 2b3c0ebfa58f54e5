//! RFC 7636 — Proof Key for Code Exchange. `S256` only; `plain` is refused (RFC 9700 §2.1.1).
//!
//! The comparison is oxide-auth's; lengths and alphabets are ours, because it checks neither.

use std::borrow::Cow;

use oxide_auth::code_grant::extensions::Pkce;
use serde::{Deserialize, Serialize};

use super::error::{ErrorCode, OAuthError};

/// A `code_challenge` made with `S256`: 43 base64url characters (RFC 7636 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Challenge(String);

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`; `None` if there is no challenge.
    pub fn parse(
        challenge: Option<&str>,
        method: Option<&str>,
    ) -> Result<Option<Self>, OAuthError> {
        let Some(challenge) = challenge else {
            return match method {
                None => Ok(None),
                Some(_) => Err(invalid_request(
                    "code_challenge_method without code_challenge",
                )),
            };
        };
        if method != Some("S256") {
            return Err(invalid_request("code_challenge_method must be S256"));
        }
        if challenge.len() != 43 || !challenge.bytes().all(is_base64url) {
            return Err(invalid_request(
                "code_challenge must be 43 base64url characters",
            ));
        }
        Ok(Some(Self(challenge.to_owned())))
    }

    /// Whether `verifier` is the one this challenge was made from (§4.6).
    pub fn is_answered_by(&self, verifier: &str) -> bool {
        let pkce = Pkce::required();
        let stored = pkce.challenge(Some(Cow::Borrowed("S256")), Some(Cow::Borrowed(&self.0)));
        is_verifier(verifier)
            && stored.is_ok_and(|stored| pkce.verify(stored, Some(Cow::Borrowed(verifier))).is_ok())
    }
}

/// The grammar of §4.1: 43 to 128 unreserved characters.
fn is_verifier(verifier: &str) -> bool {
    (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn invalid_request(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of RFC 7636 Appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_specification_verifies() {
        let challenge = Challenge::parse(Some(CHALLENGE), Some("S256"))
            .unwrap()
            .unwrap();
        assert!(challenge.is_answered_by(VERIFIER));
        assert!(!challenge.is_answered_by(&VERIFIER.replace('d', "e")));
    }

    #[test]
    fn verifiers_outside_the_grammar_never_match() {
        let challenge = |v: &str| {
            use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
            use sha2::Digest as _;
            Challenge(URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(v.as_bytes())))
        };
        for verifier in [
            "x".repeat(42),
            "x".repeat(129),
            format!("{}!", "x".repeat(50)),
        ] {
            assert!(
                !challenge(&verifier).is_answered_by(&verifier),
                "{verifier}"
            );
        }
        assert!(challenge(&"x".repeat(128)).is_answered_by(&"x".repeat(128)));
    }

    #[test]
    fn plain_and_malformed_challenges_are_refused() {
        assert!(Challenge::parse(Some(CHALLENGE), Some("plain")).is_err());
        assert!(Challenge::parse(Some(CHALLENGE), None).is_err());
        assert!(Challenge::parse(None, Some("S256")).is_err());
        assert!(Challenge::parse(Some(&CHALLENGE[1..]), Some("S256")).is_err());
        assert!(Challenge::parse(Some(&CHALLENGE.replace('E', "=")), Some("S256")).is_err());
        assert_eq!(Challenge::parse(None, None).unwrap(), None);
    }
}
