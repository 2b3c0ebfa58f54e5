//! RFC 7517, RFC 7518 §6, RFC 8037 §2 — public keys, and the JWK Set of a client.
//!
//! Only the members that make up the key are read. Keys of kinds that are not offered are passed
//! over, as RFC 7517 §5 asks; keys of offered kinds that are weak or broken are refused, and so is
//! anything private or symmetric.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwk::Jwk,
    jws::{self, JwsVerifier},
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{guarded, weak};
use crate::domain::key::SigningAlgorithm;

/// Bytes of a JWK Set at most.
const MAX_SET: usize = 64 * 1024;
/// Keys of a JWK Set at most: a token without `kid` is tried on each.
const MAX_KEYS: usize = 16;
/// Bytes of a `kid` at most.
pub(super) const MAX_KID: usize = 256;
/// Bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// The least RSA exponent (NIST SP 800-56B §6.2).
const MIN_EXPONENT: u64 = 65_537;
/// The greatest: more makes nothing safer, only slower.
const MAX_EXPONENT: u64 = u32::MAX as u64;
/// Members of private and symmetric keys (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const SECRET_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What is wrong with a client's JWK Set. Fit for an error description: it repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// It is not a set of keys.
    #[error("the JWK Set is not an object with an array of keys")]
    NotASet,
    /// It is too large.
    #[error("the JWK Set has more than 16 keys or 64 KiB")]
    TooLarge,
    /// It has a key that nobody else may know.
    #[error("the JWK Set has a private or symmetric key")]
    Secret,
    /// A key lacks a member, or a member is not what it should be.
    #[error("a key of the JWK Set is malformed")]
    Malformed,
    /// An RSA key is too short, too long, or has an unusual exponent.
    #[error("an RSA key needs 2048 to 4096 bits and an odd exponent from 65537 to 4294967295")]
    UnusualRsa,
    /// A key is well-formed but proves nothing.
    #[error("a key of the JWK Set is weak: its signatures can be forged")]
    Weak,
    /// It has no key that could sign.
    #[error("the JWK Set has no key for signatures with RS256, PS256, ES256 or EdDSA")]
    NoneUsable,
}

/// Checks a JWK Set that a client wants to register or that was fetched for it.
pub fn validate_client_jwks(jwks: &Value) -> Result<(), JwksError> {
    if jwks.to_string().len() > MAX_SET {
        return Err(JwksError::TooLarge);
    }
    let keys = client_keys(jwks)?;
    for key in &keys {
        let algorithm = key.key.algorithms();
        let verifier = algorithm.first().and_then(|a| key.key.verifier(*a));
        verifier.ok_or(JwksError::Malformed)?;
        if !weak::is_sound(&key.key) {
            return Err(JwksError::Weak);
        }
    }
    if keys.is_empty() {
        return Err(JwksError::NoneUsable);
    }
    Ok(())
}

/// The keys of a client's JWK Set that verify signatures.
pub(super) fn client_keys(jwks: &Value) -> Result<Vec<ClientKey>, JwksError> {
    let keys = jwks.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or(JwksError::NotASet)?;
    if keys.len() > MAX_KEYS {
        return Err(JwksError::TooLarge);
    }
    keys.iter()
        .filter_map(|key| ClientKey::parse(key).transpose())
        .collect()
}

/// A key of a client.
pub(super) struct ClientKey {
    kid: Option<String>,
    algorithm: Option<SigningAlgorithm>,
    pub(super) key: PublicKey,
}

impl ClientKey {
    /// Whether a signature of this algorithm that names `kid`, or none, may be of this key.
    pub(super) fn fits(&self, algorithm: SigningAlgorithm, kid: Option<&str>) -> bool {
        let same_name = match (&self.kid, kid) {
            (Some(mine), Some(wanted)) => mine == wanted,
            (None, _) | (_, None) => true,
        };
        same_name
            && self.algorithm.is_none_or(|only| only == algorithm)
            && self.key.algorithms().contains(&algorithm)
    }

    /// None for a key that is for something else.
    fn parse(jwk: &Value) -> Result<Option<Self>, JwksError> {
        let jwk = jwk.as_object().ok_or(JwksError::Malformed)?;
        let is_secret = SECRET_MEMBERS.iter().any(|name| jwk.contains_key(*name));
        if is_secret || jwk.get("kty").and_then(Value::as_str) == Some("oct") {
            return Err(JwksError::Secret);
        }
        let kid = text(jwk, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(JwksError::Malformed);
        }
        let Some(key) = PublicKey::parse(jwk)? else {
            return Ok(None);
        };
        if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") || !verifies(jwk)? {
            return Ok(None);
        }
        let algorithm = match text(jwk, "alg")?.map(str::parse) {
            None => None,
            Some(Ok(algorithm)) => Some(algorithm),
            Some(Err(_)) => return Ok(None),
        };
        Ok(Some(Self {
            kid,
            algorithm,
            key,
        }))
    }
}

/// Whether `key_ops` (RFC 7517 §4.3) allows verification.
fn verifies(jwk: &Map<String, Value>) -> Result<bool, JwksError> {
    match jwk.get("key_ops") {
        None => Ok(true),
        Some(operations) => {
            let operations = operations.as_array().ok_or(JwksError::Malformed)?;
            Ok(operations.iter().any(|name| name == "verify"))
        }
    }
}

/// A public key of a kind that is offered, its members as bytes. That a point lies on its curve is
/// proved only by making a verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
}

impl PublicKey {
    /// None for a kind of key that is not offered.
    pub(super) fn parse(jwk: &Map<String, Value>) -> Result<Option<Self>, JwksError> {
        let kty = text(jwk, "kty")?.ok_or(JwksError::Malformed)?;
        match (kty, text(jwk, "crv")?) {
            ("RSA", _) => rsa(jwk).map(Some),
            ("EC", Some("P-256")) => Ok(Some(Self::P256 {
                x: coordinate(jwk, "x")?,
                y: coordinate(jwk, "y")?,
            })),
            ("OKP", Some("Ed25519")) => Ok(Some(Self::Ed25519 {
                x: coordinate(jwk, "x")?,
            })),
            _ => Ok(None),
        }
    }

    /// The algorithms that this kind of key serves.
    pub(super) fn algorithms(&self) -> &'static [SigningAlgorithm] {
        match self {
            Self::Rsa { .. } => &[SigningAlgorithm::Rs256, SigningAlgorithm::Ps256],
            Self::P256 { .. } => &[SigningAlgorithm::Es256],
            Self::Ed25519 { .. } => &[SigningAlgorithm::EdDsa],
        }
    }

    /// What verifies signatures of this key.
    pub(super) fn verifier(&self, algorithm: SigningAlgorithm) -> Option<Verifier> {
        if !self.algorithms().contains(&algorithm) {
            return None;
        }
        let Value::Object(members) = self.members() else {
            return None;
        };
        let inner = guarded(|| {
            let jwk = Jwk::from_map(members).ok()?;
            josekit_verifier(algorithm, &jwk)
        })?;
        Some(Verifier {
            inner,
            algorithm,
            signature_length: match self {
                Self::Rsa { n, .. } => n.len(),
                Self::P256 { .. } | Self::Ed25519 { .. } => 64,
            },
        })
    }

    /// RFC 7638 — the digest of the key, base64url.
    pub(super) fn thumbprint(&self) -> String {
        // The members are in alphabetical order and their values need no escapes.
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.members().to_string()))
    }

    /// The JWK as the provider publishes it.
    pub(super) fn to_jwk(&self, kid: &str, algorithm: SigningAlgorithm) -> Value {
        let mut jwk = self.members();
        for (name, value) in [("use", "sig"), ("alg", algorithm.as_str()), ("kid", kid)] {
            if let Value::Object(members) = &mut jwk {
                members.insert(name.to_owned(), value.into());
            }
        }
        jwk
    }

    /// The members that make up the key, in alphabetical order.
    fn members(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { n, e } => json!({ "e": text(e), "kty": "RSA", "n": text(n) }),
            Self::P256 { x, y } => {
                json!({ "crv": "P-256", "kty": "EC", "x": text(x), "y": text(y) })
            }
            Self::Ed25519 { x } => json!({ "crv": "Ed25519", "kty": "OKP", "x": text(x) }),
        }
    }
}

fn josekit_verifier(algorithm: SigningAlgorithm, jwk: &Jwk) -> Option<Box<dyn JwsVerifier>> {
    fn boxed<V: JwsVerifier + 'static>(verifier: V) -> Box<dyn JwsVerifier> {
        Box::new(verifier)
    }
    match algorithm {
        SigningAlgorithm::Rs256 => jws::RS256.verifier_from_jwk(jwk).ok().map(boxed),
        SigningAlgorithm::Ps256 => jws::PS256.verifier_from_jwk(jwk).ok().map(boxed),
        SigningAlgorithm::Es256 => jws::ES256.verifier_from_jwk(jwk).ok().map(boxed),
        SigningAlgorithm::EdDsa => jws::EdDSA.verifier_from_jwk(jwk).ok().map(boxed),
    }
}

/// Verifies the signatures of one key and one algorithm.
pub(super) struct Verifier {
    inner: Box<dyn JwsVerifier>,
    algorithm: SigningAlgorithm,
    signature_length: usize,
}

impl Verifier {
    /// The only algorithm it takes.
    pub(super) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Whether `signature` is one of `message`. One of any other length than the algorithm's is not.
    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_length
            && guarded(|| self.inner.verify(message, signature).ok()).is_some()
    }
}

fn rsa(jwk: &Map<String, Value>) -> Result<PublicKey, JwksError> {
    let n = number(jwk, "n")?;
    let e = number(jwk, "e")?;
    let leading_zeros = n.first().map_or(0, |byte| byte.leading_zeros());
    let bits = n.len() * 8 - leading_zeros as usize;
    let exponent = e.iter().try_fold(0_u64, |value, byte| {
        let value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        (value <= MAX_EXPONENT).then_some(value)
    });
    let is_usual = exponent.is_some_and(|e| e >= MIN_EXPONENT && e % 2 == 1);
    let is_odd = n.last().is_some_and(|byte| byte % 2 == 1);
    if !RSA_BITS.contains(&bits) || !is_usual || !is_odd {
        return Err(JwksError::UnusualRsa);
    }
    Ok(PublicKey::Rsa { n, e })
}

/// An unsigned integer (RFC 7518 §2, `Base64urlUInt`) without leading zero bytes.
fn number(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JwksError> {
    let mut bytes = octets(jwk, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}

fn coordinate(jwk: &Map<String, Value>, name: &str) -> Result<[u8; 32], JwksError> {
    octets(jwk, name)?
        .try_into()
        .map_err(|_| JwksError::Malformed)
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JwksError> {
    let encoded = text(jwk, name)?.ok_or(JwksError::Malformed)?;
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| JwksError::Malformed)
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, JwksError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(JwksError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = json!({ "kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" });
        let key = PublicKey::parse(jwk.as_object().unwrap()).unwrap().unwrap();
        assert_eq!(
            key.thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn a_key_that_names_itself_or_its_algorithm_fits_nothing_else() {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 32]), "kid": "a" });
        let key = ClientKey::parse(&jwk).unwrap().unwrap();
        assert!(key.fits(SigningAlgorithm::EdDsa, Some("a")));
        assert!(key.fits(SigningAlgorithm::EdDsa, None));
        assert!(!key.fits(SigningAlgorithm::EdDsa, Some("b")));
        assert!(!key.fits(SigningAlgorithm::Es256, Some("a")));
    }

    #[test]
    fn keys_for_other_things_are_passed_over() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        for extra in [
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("alg", json!("ES512")),
        ] {
            let mut jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
            jwk[extra.0] = extra.1.clone();
            assert!(ClientKey::parse(&jwk).unwrap().is_none(), "{jwk}");
            let set = json!({ "keys": [jwk] });
            assert_eq!(validate_client_jwks(&set), Err(JwksError::NoneUsable));
        }
    }
}
