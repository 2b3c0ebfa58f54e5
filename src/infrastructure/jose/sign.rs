//! The server's private keys: made, imported, and parsed once to sign many times.

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
    mac,
    verify::Compact,
};
use crate::{
    application::ports::{InvalidToken, Rng, SignError},
    domain::algorithm::{
        EncryptionKey, KeyAlgorithm, MacAlgorithm, SigningAlgorithm, TokenAlgorithm,
    },
    protocol::{access_token, id_token},
};

/// Bits of a new RSA key.
const RSA_BITS: usize = 2048;
/// What most tokens say they are: their headers are encoded once.
const TYPES: [&str; 2] = [access_token::TYP, id_token::TYP];

/// A private key as PKCS#8, DER.
pub(super) type Der = Zeroizing<Vec<u8>>;

/// Makes a key. An RSA key takes its time: not for an asynchronous thread.
pub(super) fn generate(algorithm: KeyAlgorithm, rng: &dyn Rng) -> Option<Der> {
    match kind(algorithm) {
        Kind::Rsa => {
            let key = rsa::PrivateKey::new(&mut Source(rng), RSA_BITS).ok()?;
            let der = key.to_pkcs8_der().ok()?;
            Some(Zeroizing::new(der.as_bytes().to_vec()))
        }
        Kind::Ec(curve) => guarded(|| Some(der(&EcKeyPair::generate(curve).ok()?))),
        Kind::Ed25519 => guarded(|| Some(der(&EdKeyPair::generate(EdCurve::Ed25519).ok()?))),
    }
}

/// What kind of key an algorithm takes.
#[derive(Clone, Copy)]
enum Kind {
    Rsa,
    Ec(EcCurve),
    Ed25519,
}

fn kind(algorithm: KeyAlgorithm) -> Kind {
    use SigningAlgorithm as A;
    match algorithm {
        KeyAlgorithm::Encryption(EncryptionKey::Rsa) => Kind::Rsa,
        KeyAlgorithm::Encryption(EncryptionKey::Ec) => Kind::Ec(EcCurve::P256),
        KeyAlgorithm::Signing(algorithm) => match algorithm {
            A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512 => Kind::Rsa,
            A::Es256 => Kind::Ec(EcCurve::P256),
            A::Es384 => Kind::Ec(EcCurve::P384),
            A::Es512 => Kind::Ec(EcCurve::P521),
            A::EdDsa | A::Ed25519 => Kind::Ed25519,
        },
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
    /// What it is for.
    pub(super) algorithm: KeyAlgorithm,
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
        let key = RsaKeyPair::from_pem(pem).ok()?;
        Some((SigningAlgorithm::Rs256, der(&key)))
    };
    let ec = || {
        let key = EcKeyPair::from_pem(pem, None).ok()?;
        Some((ecdsa(key.curve())?, der(&key)))
    };
    let ed = || {
        let key = EdKeyPair::from_pem(pem).ok()?;
        (key.curve() == EdCurve::Ed25519).then(|| (SigningAlgorithm::EdDsa, der(&key)))
    };
    let (algorithm, der) = guarded(rsa)
        .or_else(|| guarded(ec))
        .or_else(|| guarded(ed))?;
    Some(Imported {
        algorithm: algorithm.into(),
        kid: None,
        der,
    })
}

/// The only algorithm for signatures on this curve (RFC 7518 §3.4).
fn ecdsa(curve: EcCurve) -> Option<SigningAlgorithm> {
    match curve {
        EcCurve::P256 => Some(SigningAlgorithm::Es256),
        EcCurve::P384 => Some(SigningAlgorithm::Es384),
        EcCurve::P521 => Some(SigningAlgorithm::Es512),
        EcCurve::Secp256k1 => None,
    }
}

fn import_jwk(members: Map<String, Value>) -> Option<Imported> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let encrypts = text("use") == Some("enc");
    let named = match text("alg") {
        Some(name) if !encrypts => Some(name.parse::<SigningAlgorithm>().ok()?),
        Some(_) | None => None,
    };
    let kid = text("kid").map(str::to_owned);
    let kty = text("kty")?.to_owned();
    let jwk = Jwk::from_map(members).ok()?;
    let (usual, encryption, der) = match kty.as_str() {
        "RSA" => {
            let key = RsaKeyPair::from_jwk(&jwk).ok()?;
            let usual = SigningAlgorithm::Rs256;
            (usual, Some(EncryptionKey::Rsa), der(&key))
        }
        "EC" => {
            let key = EcKeyPair::from_jwk(&jwk).ok()?;
            (ecdsa(key.curve())?, Some(EncryptionKey::Ec), der(&key))
        }
        "OKP" => {
            let key = EdKeyPair::from_jwk(&jwk).ok()?;
            (SigningAlgorithm::EdDsa, None, der(&key))
        }
        _ => return None,
    };
    let algorithm = match encryption {
        encryption if encrypts => encryption?.into(),
        _ => named.unwrap_or(usual).into(),
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
        let (signer, public) = guarded(|| {
            let public = josekit_public(algorithm.into(), der)?;
            Some((josekit_signer(algorithm, der)?, public))
        })?;
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

/// The public half of a private key, as josekit has it.
pub(super) fn josekit_public(algorithm: KeyAlgorithm, der: &[u8]) -> Option<Jwk> {
    Some(match kind(algorithm) {
        Kind::Rsa => RsaKeyPair::from_der(der).ok()?.to_jwk_public_key(),
        Kind::Ec(curve) => EcKeyPair::from_der(der, Some(curve))
            .ok()?
            .to_jwk_public_key(),
        Kind::Ed25519 => EdKeyPair::from_der(der).ok()?.to_jwk_public_key(),
    })
}

fn josekit_signer(algorithm: SigningAlgorithm, der: &[u8]) -> Option<Box<dyn JwsSigner>> {
    fn boxed<S: JwsSigner + 'static>(signer: S) -> Box<dyn JwsSigner> {
        Box::new(signer)
    }
    use SigningAlgorithm as A;
    match algorithm {
        A::Rs256 => jws::RS256.signer_from_der(der).ok().map(boxed),
        A::Rs384 => jws::RS384.signer_from_der(der).ok().map(boxed),
        A::Rs512 => jws::RS512.signer_from_der(der).ok().map(boxed),
        A::Ps256 => jws::PS256.signer_from_der(der).ok().map(boxed),
        A::Ps384 => jws::PS384.signer_from_der(der).ok().map(boxed),
        A::Ps512 => jws::PS512.signer_from_der(der).ok().map(boxed),
        A::Es256 => jws::ES256.signer_from_der(der).ok().map(boxed),
        A::Es384 => jws::ES384.signer_from_der(der).ok().map(boxed),
        A::Es512 => jws::ES512.signer_from_der(der).ok().map(boxed),
        A::EdDsa | A::Ed25519 => jws::EdDSA.signer_from_der(der).ok().map(boxed),
    }
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

/// The JWT of these claims under the secret of a client. No `kid`: there is one secret.
pub(super) fn sealed_by_secret(
    typ: &str,
    claims: &[u8],
    algorithm: MacAlgorithm,
    secret: &[u8],
) -> Option<String> {
    let mut token = unnamed(TokenAlgorithm::Mac(algorithm), typ, claims);
    let mac = mac::mac(algorithm, secret, token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut token);
    Some(token)
}

/// The JWT of these claims without anything that secures it (RFC 7519 §6).
pub(super) fn unsecured(typ: &str, claims: &[u8]) -> String {
    unnamed(TokenAlgorithm::None, typ, claims) + "."
}

fn unnamed(algorithm: TokenAlgorithm, typ: &str, claims: &[u8]) -> String {
    let header = json!({ "alg": algorithm, "typ": typ });
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    token
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
            let pair = KeyPairInUse::open(
                *algorithm,
                &generate((*algorithm).into(), &SystemRng).unwrap(),
            )
            .unwrap();
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
        let der = generate(SigningAlgorithm::Rs256.into(), &SystemRng).unwrap();
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
                assert_eq!(key.algorithm, algorithm.into());
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
        let der = generate(SigningAlgorithm::EdDsa.into(), &SystemRng).unwrap();
        assert!(KeyPairInUse::open(SigningAlgorithm::Es256, &der).is_none());
        assert!(KeyPairInUse::open(SigningAlgorithm::Rs256, &der).is_none());
    }
}
