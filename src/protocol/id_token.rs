//! OIDC Core §2, §3.1.3.6 — the ID token.
//!
//! Carries the authentication and nothing else: profile and email claims are at userinfo (§5.4).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::issuer::Issuer;
use crate::domain::{
    algorithm::{Hash, TokenAlgorithm},
    grant::{Grant, ResourceOwner},
    id::{ClientId, SessionId, UserId},
    time::Timestamp,
};

/// `typ` of the header.
pub const TYP: &str = "JWT";

/// The claims of an ID token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdToken {
    /// The issuer identifier.
    pub iss: String,
    /// The user.
    pub sub: UserId,
    /// The client.
    pub aud: ClientId,
    /// The client again, for those who expect it.
    pub azp: ClientId,
    /// When it expires.
    pub exp: Timestamp,
    /// When it was issued.
    pub iat: Timestamp,
    /// When the user logged in.
    pub auth_time: Timestamp,
    /// How sure we were.
    pub acr: String,
    /// By what methods.
    pub amr: Vec<String>,
    /// The session, for logout (Front- and Back-Channel Logout).
    pub sid: SessionId,
    /// As in the authorization request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nonce: Option<String>,
    /// Binds the access token of the same response.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_hash: Option<String>,
    /// Binds the code of the same response (§3.3.2.11).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub c_hash: Option<String>,
    /// Binds the `state` of the request (FAPI 1.0 Advanced §5.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub s_hash: Option<String>,
    /// Claims that the client's mappers shaped. None has the name of one above.
    #[serde(flatten)]
    pub mapped: Map<String, Value>,
}

/// What an ID token travels with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The access token.
    pub access_token: Option<&'a str>,
    /// The code, where both go through the browser.
    pub code: Option<&'a str>,
    /// The `state`, where it goes through the browser.
    pub state: Option<&'a str>,
}

impl IdToken {
    /// The ID token beside an access token; without `nonce`, which belongs to the first one only
    /// (§12.2 advises against it at a refresh).
    pub fn new(
        grant: &Grant,
        owner: &ResourceOwner,
        issuer: &Issuer,
        life: (Timestamp, Duration),
    ) -> Self {
        let (now, lifetime) = life;
        let authentication = owner.authentication.clone();
        Self {
            iss: issuer.as_str().to_owned(),
            sub: owner.subject.clone(),
            aud: grant.client.clone(),
            azp: grant.client.clone(),
            exp: now.plus(lifetime),
            iat: now,
            auth_time: authentication.time,
            acr: authentication.acr,
            amr: authentication.amr,
            sid: authentication.session,
            nonce: None,
            at_hash: None,
            c_hash: None,
            s_hash: None,
            mapped: Map::new(),
        }
    }

    /// Adds the nonce of the authorization request.
    #[must_use]
    pub fn with_nonce(mut self, nonce: Option<String>) -> Self {
        self.nonce = nonce;
        self
    }

    /// Adds the claims that the client's mappers shaped.
    #[must_use]
    pub fn with_mapped(mut self, mapped: Map<String, Value>) -> Self {
        self.mapped = mapped;
        self
    }

    /// Adds claims about the user that no access token leads to (§5.4). None replaces one of the
    /// token's own.
    #[must_use]
    pub fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        for (name, value) in claims {
            if name != "sub" {
                self.mapped.entry(name).or_insert(value);
            }
        }
        self
    }

    /// Binds what it travels with (§3.1.3.6, §3.3.2.11).
    #[must_use]
    pub fn bound_to(mut self, beside: &Beside<'_>, algorithm: TokenAlgorithm) -> Self {
        let hash = |text: Option<&str>| text.map(|text| half_hash(text, algorithm));
        self.at_hash = hash(beside.access_token);
        self.c_hash = hash(beside.code);
        self.s_hash = hash(beside.state);
        self
    }
}

/// The client that an ID token claims to be for, to find its secret. Not verified.
pub fn claimed_audience(token: &str) -> Option<ClientId> {
    let payload = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.get("aud")?.as_str().map(ClientId::new)
}

/// The left half of the hash that belongs to the signature algorithm, base64url.
pub fn half_hash(text: &str, algorithm: TokenAlgorithm) -> String {
    let hash = match algorithm.hash() {
        Hash::Sha256 => Sha256::digest(text).to_vec(),
        Hash::Sha384 => Sha384::digest(text).to_vec(),
        Hash::Sha512 => Sha512::digest(text).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(hash.get(..hash.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::algorithm::SigningAlgorithm;

    #[test]
    fn at_hash_is_the_example_of_the_specification() {
        // OIDC Core Appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(
            half_hash(token, SigningAlgorithm::Rs256.into()),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
    }
}
