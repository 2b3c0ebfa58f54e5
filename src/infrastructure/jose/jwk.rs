//! RFC 7517, RFC 7518 §6, RFC 8037 §2 — public keys.
//!
//! Only the members that make up the key are read. Keys of kinds that are not offered are passed
//! over, as RFC 7517 §5 asks.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwk::Jwk,
    jws::{self, JwsVerifier},
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{client_set::JwksError, guarded};
use crate::domain::algorithm::{EncryptionKey, KeyAlgorithm, SigningAlgorithm};

/// Bytes of a `kid` at most.
pub(super) const MAX_KID: usize = 256;
/// Bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// The least RSA exponent (NIST SP 800-56B §6.2).
const MIN_EXPONENT: u64 = 65_537;
/// The greatest: more makes nothing safer, only slower.
const MAX_EXPONENT: u64 = u32::MAX as u64;

/// A public key of a kind that is offered, its members as bytes. That a point lies on its curve is
/// proved only by making a verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ec {
        curve: Curve,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    Ed25519 {
        x: [u8; 32],
    },
}

/// The curves of RFC 7518 §6.2.1.1. The order of each is prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// `crv`
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate.
    fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl PublicKey {
    /// None for a kind of key that is not offered.
    pub(super) fn parse(jwk: &Map<String, Value>) -> Result<Option<Self>, JwksError> {
        let kty = text(jwk, "kty")?.ok_or(JwksError::Malformed)?;
        let crv = text(jwk, "crv")?;
        let curve = Curve::ALL.into_iter().find(|it| Some(it.name()) == crv);
        match (kty, curve) {
            ("RSA", _) => rsa(jwk).map(Some),
            ("EC", Some(curve)) => Ok(Some(Self::Ec {
                curve,
                x: coordinate(jwk, "x", curve.width())?,
                y: coordinate(jwk, "y", curve.width())?,
            })),
            ("OKP", _) if crv == Some("Ed25519") => Ok(Some(Self::Ed25519 {
                x: octets(jwk, "x")?
                    .try_into()
                    .map_err(|_| JwksError::Malformed)?,
            })),
            _ => Ok(None),
        }
    }

    /// The algorithms that this kind of key serves.
    pub(super) fn algorithms(&self) -> &'static [SigningAlgorithm] {
        use SigningAlgorithm as A;
        match self {
            Self::Rsa { .. } => &[A::Rs256, A::Ps256, A::Rs384, A::Ps384, A::Rs512, A::Ps512],
            Self::Ec { curve, .. } => match curve {
                Curve::P256 => &[A::Es256],
                Curve::P384 => &[A::Es384],
                Curve::P521 => &[A::Es512],
            },
            Self::Ed25519 { .. } => &[A::EdDsa, A::Ed25519],
        }
    }

    /// The kind of encryption that this kind of key serves.
    pub(super) fn encryption(&self) -> Option<EncryptionKey> {
        match self {
            Self::Rsa { .. } => Some(EncryptionKey::Rsa),
            Self::Ec { .. } => Some(EncryptionKey::Ec),
            Self::Ed25519 { .. } => None,
        }
    }

    /// What verifies signatures of this key.
    pub(super) fn verifier(&self, algorithm: SigningAlgorithm) -> Option<Verifier> {
        if !self.algorithms().contains(&algorithm) {
            return None;
        }
        let inner = guarded(|| josekit_verifier(algorithm, &self.to_josekit()?))?;
        Some(Verifier {
            inner,
            algorithm,
            signature_length: match self {
                Self::Rsa { n, .. } => n.len(),
                Self::Ec { curve, .. } => 2 * curve.width(),
                Self::Ed25519 { .. } => 64,
            },
        })
    }

    /// RFC 7638 — the digest of the key, base64url.
    pub(super) fn thumbprint(&self) -> String {
        // The members are in alphabetical order and their values need no escapes.
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.members().to_string()))
    }

    /// The key as josekit wants it. Not outside of [`guarded`].
    pub(super) fn to_josekit(&self) -> Option<Jwk> {
        let Value::Object(members) = self.members() else {
            return None;
        };
        Jwk::from_map(members).ok()
    }

    /// The JWK as the provider publishes it. A key for encryption serves several algorithms and names
    /// none.
    pub(super) fn to_jwk(&self, kid: &str, algorithm: KeyAlgorithm) -> Value {
        let mut jwk = self.members();
        let (purpose, algorithm) = match algorithm {
            KeyAlgorithm::Signing(algorithm) => ("sig", Some(algorithm.as_str())),
            KeyAlgorithm::Encryption(_) => ("enc", None),
        };
        let members = [
            ("use", Some(purpose)),
            ("alg", algorithm),
            ("kid", Some(kid)),
        ];
        for (name, value) in members {
            if let (Value::Object(members), Some(value)) = (&mut jwk, value) {
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
            Self::Ec { curve, x, y } => {
                json!({ "crv": curve.name(), "kty": "EC", "x": text(x), "y": text(y) })
            }
            Self::Ed25519 { x } => json!({ "crv": "Ed25519", "kty": "OKP", "x": text(x) }),
        }
    }
}

fn josekit_verifier(algorithm: SigningAlgorithm, jwk: &Jwk) -> Option<Box<dyn JwsVerifier>> {
    fn boxed<V: JwsVerifier + 'static>(verifier: V) -> Box<dyn JwsVerifier> {
        Box::new(verifier)
    }
    use SigningAlgorithm as A;
    match algorithm {
        A::Rs256 => jws::RS256.verifier_from_jwk(jwk).ok().map(boxed),
        A::Rs384 => jws::RS384.verifier_from_jwk(jwk).ok().map(boxed),
        A::Rs512 => jws::RS512.verifier_from_jwk(jwk).ok().map(boxed),
        A::Ps256 => jws::PS256.verifier_from_jwk(jwk).ok().map(boxed),
        A::Ps384 => jws::PS384.verifier_from_jwk(jwk).ok().map(boxed),
        A::Ps512 => jws::PS512.verifier_from_jwk(jwk).ok().map(boxed),
        A::Es256 => jws::ES256.verifier_from_jwk(jwk).ok().map(boxed),
        A::Es384 => jws::ES384.verifier_from_jwk(jwk).ok().map(boxed),
        A::Es512 => jws::ES512.verifier_from_jwk(jwk).ok().map(boxed),
        A::EdDsa | A::Ed25519 => jws::EdDSA.verifier_from_jwk(jwk).ok().map(boxed),
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

/// As long as the curve asks, leading zeros included (RFC 7518 §6.2.1.2).
fn coordinate(jwk: &Map<String, Value>, name: &str, width: usize) -> Result<Vec<u8>, JwksError> {
    let bytes = octets(jwk, name)?;
    (bytes.len() == width)
        .then_some(bytes)
        .ok_or(JwksError::Malformed)
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JwksError> {
    let encoded = text(jwk, name)?.ok_or(JwksError::Malformed)?;
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| JwksError::Malformed)
}

/// A member that must be a text where it is there.
pub(super) fn text<'a>(
    jwk: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, JwksError> {
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
}
