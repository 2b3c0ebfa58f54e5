//! The provider's private keys: made, imported, and parsed once to sign many times.

use std::convert::Infallible;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwk::{
        Jwk, KeyPair,
        alg::{
            ec::{EcCurve, EcKeyPair},
            ed::{EdCurve, EdKeyPair},
            rsa::RsaKeyPair,
        },
    },
    jws::{self, JwsSigner},
};
use rsa::{
    pkcs8::EncodePrivateKey as _,
    rand_core::{TryCryptoRng, TryRng},
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    accepted::Accepted,
    guarded,
    json::parse_object,
    jwk::{PublicKey, Verifier},
    verify::Compact,
};
use crate::{
    application::ports::{InvalidToken, Rng, SignError},
    domain::key::SigningAlgorithm,
    protocol::{access_token, id_token},
};

/// Bits of a new RSA key.
const RSA_BITS: usize = 2048;
/// What most tokens say they are: their headers are encoded once.
const TYPES: [&str; 2] = [access_token::TYP, id_token::TYP];

/// A private key as PKCS#8, DER.
pub(super) type Der = Zeroizing<Vec<u8>>;

/// Makes a key. An RSA key takes its time: not for an asynchronous thread.
pub(super) fn generate(algorithm: SigningAlgorithm, rng: &dyn Rng) -> Option<Der> {
    match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
            let key = rsa::PrivateKey::new(&mut Source(rng), RSA_BITS).ok()?;
            let der = key.to_pkcs8_der().ok()?;
            Some(Zeroizing::new(der.as_bytes().to_vec()))
        }
        SigningAlgorithm::Es256 => guarded(|| Some(der(&EcKeyPair::generate(EcCurve::P256).ok()?))),
        SigningAlgorithm::EdDsa => {
            guarded(|| Some(der(&EdKeyPair::generate(EdCurve::Ed25519).ok()?)))
        }
    }
}

/// Our randomness as rsa wants it.
struct Source<'a>(&'a dyn Rng);

impl TryRng for Source<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Source<'_> {}

/// A private key from elsewhere.
pub(super) struct Imported {
    /// What it is to sign with.
    pub(super) algorithm: SigningAlgorithm,
    /// Its name, if it has one.
    pub(super) kid: Option<String>,
    /// The key.
    pub(super) der: Der,
}

/// Reads a private key: PEM, or a JWK. An RSA key that does not say otherwise is for RS256.
pub(super) fn import(text: &str) -> Option<Imported> {
    if text.trim_start().starts_with('{') {
        let jwk = parse_object(text.trim().as_bytes()).ok()?;
        return guarded(|| import_jwk(jwk));
    }
    let pem = text.trim();
    let rsa = || {
        Some((
            SigningAlgorithm::Rs256,
            der(&RsaKeyPair::from_pem(pem).ok()?),
        ))
    };
    let ec = || {
        let key = EcKeyPair::from_pem(pem, Some(EcCurve::P256)).ok()?;
        Some((SigningAlgorithm::Es256, der(&key)))
    };
    let ed = || {
        let key = EdKeyPair::from_pem(pem).ok()?;
        (key.curve() == EdCurve::Ed25519).then(|| (SigningAlgorithm::EdDsa, der(&key)))
    };
    let (algorithm, der) = guarded(rsa)
        .or_else(|| guarded(ec))
        .or_else(|| guarded(ed))?;
    Some(Imported {
        algorithm,
        kid: None,
        der,
    })
}

fn import_jwk(members: Map<String, Value>) -> Option<Imported> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let named = text("alg")
        .map(str::parse::<SigningAlgorithm>)
        .transpose()
        .ok()?;
    let kid = text("kid").map(str::to_owned);
    let kty = text("kty")?.to_owned();
    let jwk = Jwk::from_map(members).ok()?;
    let (algorithm, der) = match kty.as_str() {
        "RSA" => (
            named.unwrap_or(SigningAlgorithm::Rs256),
            der(&RsaKeyPair::from_jwk(&jwk).ok()?),
        ),
        "EC" => (
            named.unwrap_or(SigningAlgorithm::Es256),
            der(&EcKeyPair::from_jwk(&jwk).ok()?),
        ),
        "OKP" => (
            named.unwrap_or(SigningAlgorithm::EdDsa),
            der(&EdKeyPair::from_jwk(&jwk).ok()?),
        ),
        _ => return None,
    };
    Some(Imported {
        algorithm,
        kid,
        der,
    })
}

fn der(key: &impl KeyPair) -> Der {
    Zeroizing::new(key.to_der_private_key())
}

/// A key pair, parsed.
pub(super) struct KeyPairInUse {
    signer: Box<dyn JwsSigner>,
    verifier: Verifier,
    public: PublicKey,
}

impl KeyPairInUse {
    /// Parses a private key. None if it is unusual or not for this algorithm.
    pub(super) fn open(algorithm: SigningAlgorithm, der: &[u8]) -> Option<Self> {
        let (signer, public) = guarded(|| josekit_signer(algorithm, der))?;
        let public = PublicKey::parse(public.as_ref()).ok()??;
        Some(Self {
            signer,
            verifier: public.verifier(algorithm)?,
            public,
        })
    }

    /// The public half.
    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What verifies this key's signatures.
    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        guarded(|| self.signer.sign(message).ok())
    }
}

fn josekit_signer(algorithm: SigningAlgorithm, der: &[u8]) -> Option<(Box<dyn JwsSigner>, Jwk)> {
    Some(match algorithm {
        SigningAlgorithm::Rs256 => {
            let public = RsaKeyPair::from_der(der).ok()?.to_jwk_public_key();
            (Box::new(jws::RS256.signer_from_der(der).ok()?), public)
        }
        SigningAlgorithm::Ps256 => {
            let public = RsaKeyPair::from_der(der).ok()?.to_jwk_public_key();
            (Box::new(jws::PS256.signer_from_der(der).ok()?), public)
        }
        SigningAlgorithm::Es256 => {
            let key = EcKeyPair::from_der(der, Some(EcCurve::P256)).ok()?;
            let signer = jws::ES256.signer_from_der(der).ok()?;
            (Box::new(signer), key.to_jwk_public_key())
        }
        SigningAlgorithm::EdDsa => {
            let public = EdKeyPair::from_der(der).ok()?.to_jwk_public_key();
            (Box::new(jws::EdDSA.signer_from_der(der).ok()?), public)
        }
    })
}

/// A key with its name, ready to make tokens.
pub(super) struct TokenKey {
    pair: KeyPairInUse,
    kid: String,
    headers: [(&'static str, String); TYPES.len()],
    accepted: Accepted,
}

impl TokenKey {
    /// Gives the key its name.
    pub(super) fn new(pair: KeyPairInUse, kid: &str) -> Self {
        let algorithm = pair.verifier.algorithm();
        Self {
            headers: TYPES.map(|typ| (typ, header(algorithm, kid, typ))),
            kid: kid.to_owned(),
            accepted: Accepted::new(),
            pair,
        }
    }

    /// The claims of a token, if this key signed it.
    pub(super) fn claims(&self, token: &Compact<'_>) -> Result<Map<String, Value>, InvalidToken> {
        token.claims_of(self.pair.verifier(), &self.accepted)
    }

    /// The JWT (RFC 7515 §3.1) of these claims.
    pub(super) fn token(&self, typ: &'static str, claims: &[u8]) -> Result<String, SignError> {
        let known = self.headers.iter().find(|(known, _)| *known == typ);
        let mut token = match known {
            Some((_, header)) => header.clone(),
            None => header(self.pair.verifier.algorithm(), &self.kid, typ),
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(token.as_bytes()).ok_or(SignError::Failed)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

/// The protected header, base64url.
fn header(algorithm: SigningAlgorithm, kid: &str, typ: &str) -> String {
    let header = json!({ "alg": algorithm.as_str(), "kid": kid, "typ": typ });
    URL_SAFE_NO_PAD.encode(header.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::infrastructure::random::SystemRng;

    #[test]
    fn a_new_key_of_every_algorithm_signs_what_it_verifies() {
        for algorithm in SigningAlgorithm::ALL {
            let pair =
                KeyPairInUse::open(*algorithm, &generate(*algorithm, &SystemRng).unwrap()).unwrap();
            let signature = pair.sign(b"message").unwrap();
            assert!(
                pair.verifier().accepts(b"message", &signature),
                "{algorithm}"
            );
            assert!(
                !pair.verifier().accepts(b"massage", &signature),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn pem_and_jwk_of_every_kind_can_be_imported() {
        let ec = EcKeyPair::generate(EcCurve::P256).unwrap();
        let ed = EdKeyPair::generate(EdCurve::Ed25519).unwrap();
        let der = generate(SigningAlgorithm::Rs256, &SystemRng).unwrap();
        let rsa = RsaKeyPair::from_der(&*der).unwrap();
        for (pem, jwk, algorithm) in [
            (
                ec.to_pem_private_key(),
                ec.to_jwk_private_key(),
                SigningAlgorithm::Es256,
            ),
            (
                ec.to_traditional_pem_private_key(),
                ec.to_jwk_key_pair(),
                SigningAlgorithm::Es256,
            ),
            (
                ed.to_pem_private_key(),
                ed.to_jwk_key_pair(),
                SigningAlgorithm::EdDsa,
            ),
            (
                rsa.to_pem_private_key(),
                rsa.to_jwk_key_pair(),
                SigningAlgorithm::Rs256,
            ),
            (
                rsa.to_traditional_pem_private_key(),
                rsa.to_jwk_key_pair(),
                SigningAlgorithm::Rs256,
            ),
        ] {
            for text in [String::from_utf8(pem).unwrap(), jwk.to_string()] {
                let key = import(&text).unwrap();
                assert_eq!(key.algorithm, algorithm);
                assert!(
                    KeyPairInUse::open(algorithm, &key.der).is_some(),
                    "{algorithm}"
                );
            }
        }
        for text in [
            "",
            "{}",
            "-----BEGIN PRIVATE KEY-----",
            r#"{"kty":"oct","k":"AA"}"#,
        ] {
            assert!(import(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_key_is_for_its_own_algorithm_only() {
        let der = generate(SigningAlgorithm::EdDsa, &SystemRng).unwrap();
        assert!(KeyPairInUse::open(SigningAlgorithm::Es256, &der).is_none());
        assert!(KeyPairInUse::open(SigningAlgorithm::Rs256, &der).is_none());
    }
}
