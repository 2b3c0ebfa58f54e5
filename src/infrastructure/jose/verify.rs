//! RFC 7515, RFC 7519, RFC 8725 — signed tokens that come in.
//!
//! Compact serialization only. Every key comes from where the caller says, never from a header.
//! Encrypted tokens are taken apart in `decrypt`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    accepted::Accepted,
    client_set,
    json::parse_object,
    jwk::{MAX_KID, Verifier},
    mac,
};
use crate::{
    application::ports::{InvalidToken, KeysOfClient},
    domain::algorithm::TokenAlgorithm,
};

/// Bytes of a token at most.
const MAX_TOKEN: usize = 16 * 1024;
/// Header members that change what a token means in ways that are not offered (RFC 7515 §4.1.11,
/// RFC 7516 §4.1, RFC 7797).
const REFUSED_MEMBERS: &[&str] = &["crit", "b64", "zip", "enc"];
/// Claims that are dates.
const DATES: &[&str] = &["exp", "nbf", "iat", "auth_time"];
/// What an assertion may say it is, besides nothing (RFC 7519 §5.1, rfc7523bis).
const ASSERTION_TYPES: &[&str] = &["jwt", "client-authentication+jwt"];
/// What a request object may say it is, besides nothing (RFC 9101 §10.8).
const REQUEST_OBJECT_TYPES: &[&str] = &["jwt", "oauth-authz-req+jwt"];

/// The claims of a client's assertion, if one of its keys made it: with `algorithm`, if given. The
/// caller checks the claims.
pub fn verify_assertion(
    assertion: &str,
    keys: KeysOfClient<'_>,
    algorithm: Option<TokenAlgorithm>,
) -> Result<Map<String, Value>, InvalidToken> {
    let token = Compact::parse(assertion)?;
    if !token.has_type(ASSERTION_TYPES) {
        return Err(InvalidToken);
    }
    made_by(&token, keys, algorithm)
}

/// The claims of a client's request object, if one of its keys made it: with `algorithm`, if given. The
/// caller checks the claims.
pub(super) fn verify_request_object(
    object: &str,
    keys: KeysOfClient<'_>,
    algorithm: Option<TokenAlgorithm>,
) -> Result<Map<String, Value>, InvalidToken> {
    let token = Compact::parse(object)?;
    if !token.has_type(REQUEST_OBJECT_TYPES) {
        return Err(InvalidToken);
    }
    made_by(&token, keys, algorithm)
}

/// The claims of a token that says to be exactly `typ`, if one of these keys made it with `algorithm`.
pub(super) fn verify_own(
    typ: &str,
    token: &str,
    keys: KeysOfClient<'_>,
    algorithm: TokenAlgorithm,
) -> Result<Map<String, Value>, InvalidToken> {
    let token = Compact::parse(token)?;
    if !token.is(typ) {
        return Err(InvalidToken);
    }
    made_by(&token, keys, Some(algorithm))
}

/// The claims of a token of any type, if a key of `jwks` signed it. The caller checks the claims.
pub fn verify_signature(token: &str, jwks: &Value) -> Result<Map<String, Value>, InvalidToken> {
    made_by(&Compact::parse(token)?, KeysOfClient::Set(jwks), None)
}

/// What kind of keys there are decides what is verified, never the token (RFC 8725 §3.1): a secret
/// verifies no signature, a public key no MAC, and nothing is unsecured where there are keys.
fn made_by(
    token: &Compact<'_>,
    keys: KeysOfClient<'_>,
    only: Option<TokenAlgorithm>,
) -> Result<Map<String, Value>, InvalidToken> {
    if only.is_some_and(|only| only != token.algorithm) {
        return Err(InvalidToken);
    }
    match (keys, token.algorithm) {
        (KeysOfClient::Set(jwks), TokenAlgorithm::Signature(algorithm)) => {
            let mut keys =
                client_set::verifiers(jwks, algorithm, token.kid()).map_err(|_| InvalidToken)?;
            keys.find_map(|verifier| token.claims(&verifier).ok())
                .ok_or(InvalidToken)
        }
        (KeysOfClient::Secrets(secrets), TokenAlgorithm::Mac(algorithm)) => {
            let message = token.message.as_bytes();
            let is_mac = |secret: &Zeroizing<Vec<u8>>| {
                mac::verifies(algorithm, secret, message, &token.signature)
            };
            token.claims_if(secrets.iter().any(is_mac))
        }
        (KeysOfClient::Unsecured, TokenAlgorithm::None) => {
            token.claims_if(token.signature.is_empty())
        }
        _ => Err(InvalidToken),
    }
}

/// A token that was taken apart. Nothing of it is to be believed before `claims` returned.
pub(super) struct Compact<'a> {
    text: &'a str,
    algorithm: TokenAlgorithm,
    header: Map<String, Value>,
    message: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    pub(super) fn parse(token: &'a str) -> Result<Self, InvalidToken> {
        if token.len() > MAX_TOKEN {
            return Err(InvalidToken);
        }
        // Five parts would be an encrypted token (RFC 7516 §3.1).
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidToken);
        };
        let message = token
            .get(..header.len() + 1 + payload.len())
            .ok_or(InvalidToken)?;
        let header = parse_object(&decode(header)?).map_err(|_| InvalidToken)?;
        Ok(Self {
            text: token,
            algorithm: checked_algorithm(&header)?,
            header,
            message,
            payload,
            signature: decode(signature)?,
        })
    }

    /// `kid`
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// Whether it says to be exactly this.
    pub(super) fn is(&self, typ: &str) -> bool {
        self.header.get("typ").and_then(Value::as_str) == Some(typ)
    }

    /// The claims, if this key and algorithm signed them.
    pub(super) fn claims(&self, verifier: &Verifier) -> Result<Map<String, Value>, InvalidToken> {
        self.claims_if(self.is_signed(verifier))
    }

    /// As [`Compact::claims`], of a key that remembers what it `accepted`.
    pub(super) fn claims_of(
        &self,
        verifier: &Verifier,
        accepted: &Accepted,
    ) -> Result<Map<String, Value>, InvalidToken> {
        self.claims_if(accepted.accepts(self.text, || self.is_signed(verifier)))
    }

    fn is_signed(&self, verifier: &Verifier) -> bool {
        self.algorithm == TokenAlgorithm::Signature(verifier.algorithm())
            && verifier.accepts(self.message.as_bytes(), &self.signature)
    }

    fn claims_if(&self, is_signed: bool) -> Result<Map<String, Value>, InvalidToken> {
        if !is_signed {
            return Err(InvalidToken);
        }
        let claims = parse_object(&decode(self.payload)?).map_err(|_| InvalidToken)?;
        let are_sane = DATES
            .iter()
            .filter_map(|name| claims.get(*name))
            .all(is_date);
        are_sane.then_some(claims).ok_or(InvalidToken)
    }

    /// Whether it says to be one of these, or nothing.
    fn has_type(&self, types: &[&str]) -> bool {
        let Some(typ) = self.header.get("typ") else {
            return true;
        };
        let typ = typ.as_str().unwrap_or_default().to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        types.contains(&typ)
    }
}

/// The algorithm of a header that holds nothing it must not.
fn checked_algorithm(header: &Map<String, Value>) -> Result<TokenAlgorithm, InvalidToken> {
    let is_refused = |name: &&str| header.contains_key(*name);
    let has_text = |name: &str, most: usize| match header.get(name) {
        None => true,
        Some(value) => value.as_str().is_some_and(|text| text.len() <= most),
    };
    if REFUSED_MEMBERS.iter().any(is_refused) || !has_text("kid", MAX_KID) || !has_text("typ", 64) {
        return Err(InvalidToken);
    }
    let algorithm = header.get("alg").and_then(Value::as_str);
    algorithm
        .and_then(|name| name.parse().ok())
        .ok_or(InvalidToken)
}

/// Seconds since 1970, and not after the year 9999.
fn is_date(value: &Value) -> bool {
    const END_OF_TIME: f64 = 253_402_300_800.0;
    value
        .as_f64()
        .is_some_and(|seconds| (0.0..END_OF_TIME).contains(&seconds))
}

/// Strictly: no padding, no line breaks, no stray bits.
fn decode(text: &str) -> Result<Vec<u8>, InvalidToken> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn no_text_whatever_panics(text: String, parts: [Vec<u8>; 3]) {
            prop_assert!(Compact::parse(&text).is_err() || text.contains('.'));
            let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
            let _ = Compact::parse(&parts.join("."));
            let claims = verify_assertion(&parts.join("."), KeysOfClient::Set(&json!({ "keys": [] })), None);
            prop_assert!(claims.is_err());
        }
    }
}
