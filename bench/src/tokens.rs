//! What a token answer holds, and whether its signatures are right.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use crate::{error::Fault, target::Shape};

/// RFC 6749 §5.1, OIDC Core §3.1.3.3.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    #[serde(default)]
    pub(crate) id_token: Option<String>,
    #[serde(default)]
    pub(crate) refresh_token: Option<String>,
    pub(crate) token_type: String,
}

impl TokenAnswer {
    /// Reads one and looks at its shape.
    pub(crate) fn parse(body: &[u8], access: Shape) -> Result<Self, Fault> {
        let answer: Self = serde_json::from_slice(body)
            .map_err(|error| Fault::shape(format!("no token answer: {error}")))?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(Fault::shape("the token type is not Bearer"));
        }
        let dots = answer.access_token.bytes().filter(|b| *b == b'.').count();
        let is_jwt = dots == 2 && answer.access_token.starts_with("eyJ");
        if is_jwt != (access == Shape::Jwt) {
            return Err(Fault::shape("the access token has another shape"));
        }
        Ok(answer)
    }

    /// The ID token, which must be there.
    pub(crate) fn id_token(&self) -> Result<&str, Fault> {
        self.id_token
            .as_deref()
            .ok_or_else(|| Fault::shape("the ID token is missing"))
    }

    /// The refresh token, which must be there.
    pub(crate) fn into_refresh_token(self) -> Result<String, Fault> {
        self.refresh_token
            .ok_or_else(|| Fault::shape("the refresh token is missing"))
    }
}

/// The public keys of a provider.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    by_id: BTreeMap<String, Key>,
    seen: AtomicU64,
    verified: AtomicU64,
}

#[derive(Debug)]
enum Key {
    P256(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl Keys {
    /// From a JWK Set. Keys that no scenario uses are left out.
    pub(crate) fn parse(jwks: &[u8]) -> Result<Self, Fault> {
        let set: Value =
            serde_json::from_slice(jwks).map_err(|_| Fault::shape("no JWK Set at the endpoint"))?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| Fault::shape("a JWK Set without keys"))?;
        Ok(Self {
            by_id: keys.iter().filter_map(Key::parse).collect(),
            ..Self::default()
        })
    }

    /// Verifies the first token and then one in a thousand, whoever got it.
    pub(crate) fn spot_check(&self, jwt: &str, algorithm: &str) -> Result<(), Fault> {
        const ONE_IN: u64 = 1000;
        if !self
            .seen
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(ONE_IN)
        {
            return Ok(());
        }
        self.verify(jwt, algorithm)?;
        self.verified.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// How many were verified so far.
    pub(crate) fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// Checks a compact JWS of this algorithm.
    fn verify(&self, jwt: &str, algorithm: &str) -> Result<(), Fault> {
        let (signed, signature) = jwt
            .rsplit_once('.')
            .ok_or_else(|| Fault::shape("no compact JWS"))?;
        let header = signed.split('.').next().unwrap_or_default();
        let header: Value = decode(header)
            .and_then(|header| serde_json::from_slice(&header).ok())
            .ok_or_else(|| Fault::shape("a JWS header that is no JSON"))?;
        let text = |name| header.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("alg") != algorithm {
            let found = text("alg");
            return Err(Fault::shape(format!("signed by {found}, not {algorithm}")));
        }
        let key = self
            .by_id
            .get(text("kid"))
            .ok_or_else(|| Fault::shape("signed by a key that is not published"))?;
        let signature = decode(signature).unwrap_or_default();
        let is_right = match key {
            Key::P256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(signed.as_bytes(), &signature),
            Key::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                signed.as_bytes(),
                &signature,
            ),
        };
        is_right.map_err(|_| Fault::shape("a wrong signature"))
    }
}

impl Key {
    fn parse(jwk: &Value) -> Option<(String, Self)> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let key = match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => {
                let mut point = vec![4];
                point.extend(decode(text("x")?)?);
                point.extend(decode(text("y")?)?);
                Self::P256(point)
            }
            ("RSA", _) => Self::Rsa {
                n: decode(text("n")?)?,
                e: decode(text("e")?)?,
            },
            _ => return None,
        };
        Some((text("kid")?.to_owned(), key))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_shape_is_no_success() {
        let body = br#"{"access_token":"eyJ.a.b","token_type":"Bearer"}"#;
        assert!(TokenAnswer::parse(body, Shape::Jwt).is_ok());
        assert!(TokenAnswer::parse(body, Shape::Opaque).is_err());
        assert!(TokenAnswer::parse(b"{}", Shape::Opaque).is_err());
    }

    #[test]
    fn a_signature_by_an_unknown_key_or_algorithm_is_refused() {
        let keys = Keys::parse(br#"{"keys":[]}"#).unwrap();
        let jwt = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#));
        assert!(keys.verify(&jwt, "ES256").is_err());
        assert!(keys.verify(&jwt, "RS256").is_err());
        assert!(keys.verify("nothing", "RS256").is_err());
    }
}
