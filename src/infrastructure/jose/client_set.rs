//! RFC 7517 §5 — the JWK Set of a client.
//!
//! Keys of kinds that are not offered are passed over, as §5 asks; keys of offered kinds that are weak
//! or broken are refused, and so is anything private or symmetric.

use serde_json::{Map, Value};

use super::{
    jwk::{MAX_KID, PublicKey, Verifier, text},
    weak,
};
use crate::domain::{
    algorithm::{KeyManagement, SigningAlgorithm},
    names::UnknownName,
};

/// Bytes of a JWK Set at most.
const MAX_SET: usize = 64 * 1024;
/// Keys of a JWK Set at most: a token without `kid` is tried on each.
const MAX_KEYS: usize = 16;
/// What `key_ops` calls the verifying of signatures.
const SIGNATURE: &[&str] = &["verify"];
/// What `key_ops` calls encrypting to a key, in any of its ways.
const ENCRYPTION: &[&str] = &["encrypt", "wrapKey", "deriveKey", "deriveBits"];
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
    /// It has no key that could sign or be encrypted to.
    #[error(
        "the JWK Set has no key that is of use: RSA, or EC on P-256, P-384 or P-521, for signatures or encryption; Ed25519 for signatures"
    )]
    NoneUsable,
}

/// Checks a JWK Set that a client wants to register or that was fetched for it.
pub fn validate_client_jwks(jwks: &Value) -> Result<(), JwksError> {
    if jwks.to_string().len() > MAX_SET {
        return Err(JwksError::TooLarge);
    }
    let keys = parse(jwks)?;
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

/// The keys of a client's JWK Set that verify signatures with `algorithm` that name `kid`, or none.
/// Keys that were registered before weak ones were refused are passed over.
pub(super) fn verifiers(
    jwks: &Value,
    algorithm: SigningAlgorithm,
    kid: Option<&str>,
) -> Result<impl Iterator<Item = Verifier>, JwksError> {
    let keys = parse(jwks)?.into_iter();
    let kid = kid.map(str::to_owned);
    Ok(keys
        .filter(move |key| key.verifies(algorithm, kid.as_deref()))
        .filter(|key| weak::is_sound(&key.key))
        .filter_map(move |key| key.key.verifier(algorithm)))
}

/// The key of a client's JWK Set to encrypt to, and its name: the first that is for this (RFC 7517 §4).
pub(super) fn encryption_key(
    jwks: &Value,
    algorithm: KeyManagement,
) -> Result<Option<(PublicKey, Option<String>)>, JwksError> {
    let mut keys = parse(jwks)?.into_iter();
    let found = keys.find(|key| key.encrypts(algorithm) && weak::is_sound(&key.key));
    Ok(found.map(|key| (key.key, key.kid)))
}

fn parse(jwks: &Value) -> Result<Vec<ClientKey>, JwksError> {
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
struct ClientKey {
    kid: Option<String>,
    purpose: Purpose,
    key: PublicKey,
}

/// What a client says that its key is for: `use`, `key_ops` and `alg` (RFC 7517 §4.2 to §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Purpose {
    signature: Uses<SigningAlgorithm>,
    encryption: Uses<KeyManagement>,
}

/// The algorithms that a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uses<T> {
    None,
    Only(T),
    Any,
}

impl<T: Copy + PartialEq> Uses<T> {
    /// Those of a key that is for this at all, and names `only` this algorithm or none.
    fn of(is_for_it: bool, only: Option<Result<T, UnknownName>>) -> Self {
        match only {
            _ if !is_for_it => Self::None,
            None => Self::Any,
            Some(Ok(only)) => Self::Only(only),
            Some(Err(UnknownName)) => Self::None,
        }
    }

    fn include(self, algorithm: T) -> bool {
        match self {
            Self::None => false,
            Self::Only(only) => only == algorithm,
            Self::Any => true,
        }
    }
}

impl Purpose {
    /// None for a key that is for something else.
    fn parse(jwk: &Map<String, Value>) -> Result<Option<Self>, JwksError> {
        let (usage, alg) = (text(jwk, "use")?, text(jwk, "alg")?);
        let is_for = |name: &str, operations: &[&str]| -> Result<bool, JwksError> {
            Ok(usage.is_none_or(|it| it == name) && has_operation(jwk, operations)?)
        };
        let purpose = Self {
            signature: Uses::of(is_for("sig", SIGNATURE)?, alg.map(str::parse)),
            encryption: Uses::of(is_for("enc", ENCRYPTION)?, alg.map(str::parse)),
        };
        let is_any = purpose.signature != Uses::None || purpose.encryption != Uses::None;
        Ok(is_any.then_some(purpose))
    }
}

impl ClientKey {
    /// Whether a signature of this algorithm that names `kid`, or none, may be of this key.
    fn verifies(&self, algorithm: SigningAlgorithm, kid: Option<&str>) -> bool {
        let same_name = match (&self.kid, kid) {
            (Some(mine), Some(wanted)) => mine == wanted,
            (None, _) | (_, None) => true,
        };
        same_name
            && self.purpose.signature.include(algorithm)
            && self.key.algorithms().contains(&algorithm)
    }

    /// Whether something can be encrypted to it with this algorithm.
    fn encrypts(&self, algorithm: KeyManagement) -> bool {
        self.purpose.encryption.include(algorithm) && self.key.encryption() == Some(algorithm.key())
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
        let Some(purpose) = Purpose::parse(jwk)? else {
            return Ok(None);
        };
        let key = Self { kid, purpose, key };
        Ok(key.is_of_use().then_some(key))
    }

    fn is_of_use(&self) -> bool {
        let algorithms = self.key.algorithms();
        let signs = algorithms.iter().any(|it| self.verifies(*it, None));
        signs || KeyManagement::ALL.iter().any(|it| self.encrypts(*it))
    }
}

/// Whether `key_ops` (RFC 7517 §4.3), if there, allows one of these.
fn has_operation(jwk: &Map<String, Value>, wanted: &[&str]) -> Result<bool, JwksError> {
    match jwk.get("key_ops") {
        None => Ok(true),
        Some(operations) => {
            let operations = operations.as_array().ok_or(JwksError::Malformed)?;
            Ok(operations
                .iter()
                .any(|name| wanted.iter().any(|wanted| name == wanted)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use josekit::jwk::{
        KeyPair as _,
        alg::ec::{EcCurve, EcKeyPair},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_names_itself_or_its_algorithm_fits_nothing_else() {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 32]), "kid": "a" });
        let key = ClientKey::parse(&jwk).unwrap().unwrap();
        assert!(key.verifies(SigningAlgorithm::EdDsa, Some("a")));
        assert!(key.verifies(SigningAlgorithm::EdDsa, None));
        assert!(!key.verifies(SigningAlgorithm::EdDsa, Some("b")));
        assert!(!key.verifies(SigningAlgorithm::Es256, Some("a")));
    }

    #[test]
    fn keys_for_other_things_are_passed_over() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        for extra in [
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("alg", json!("ES512")),
            ("alg", json!("ECDH-ES")),
            ("alg", json!("RSA1_5")),
        ] {
            let mut jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
            jwk[extra.0] = extra.1.clone();
            assert!(ClientKey::parse(&jwk).unwrap().is_none(), "{jwk}");
            let set = json!({ "keys": [jwk] });
            assert_eq!(validate_client_jwks(&set), Err(JwksError::NoneUsable));
        }
    }

    #[test]
    fn a_key_is_encrypted_to_only_if_it_is_of_the_right_kind_and_says_nothing_else() {
        let public = EcKeyPair::generate(EcCurve::P256).unwrap();
        let jwk = serde_json::to_value(public.to_jwk_public_key()).unwrap();
        let with = |name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            json!({ "keys": [jwk] })
        };
        let found = |set: &Value, algorithm| encryption_key(set, algorithm).unwrap().is_some();
        for set in [
            with("use", json!("enc")),
            with("alg", json!("ECDH-ES")),
            with("key_ops", json!(["deriveKey"])),
            with("kid", json!("a")),
        ] {
            assert!(validate_client_jwks(&set).is_ok());
            assert!(found(&set, KeyManagement::EcdhEs), "{set}");
            assert!(!found(&set, KeyManagement::RsaOaep), "{set}");
        }
        for set in [
            with("use", json!("sig")),
            with("alg", json!("ES256")),
            with("alg", json!("ECDH-ES+A128KW")),
            with("key_ops", json!(["verify"])),
        ] {
            assert!(!found(&set, KeyManagement::EcdhEs), "{set}");
        }
    }
}
