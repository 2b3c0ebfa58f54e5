//! Keys of clients, and what they sign.

use josekit::{
    jwk::{
        KeyPair as _,
        alg::ec::{EcCurve, EcKeyPair},
    },
    jws::{self, JwsHeader, alg::ecdsa::EcdsaJwsSigner},
};
use serde_json::{Map, Value, json};

/// A key for ES256.
pub(crate) struct Key {
    /// The public one, as a JWK.
    pub(crate) public: Value,
    signer: EcdsaJwsSigner,
    kid: String,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Self {
        let pair = EcKeyPair::generate(EcCurve::P256).unwrap();
        let mut public: Value =
            serde_json::from_str(&pair.to_jwk_public_key().to_string()).unwrap();
        public["kid"] = json!(kid);
        let signer = jws::ES256
            .signer_from_jwk(&pair.to_jwk_private_key())
            .unwrap();
        Self {
            public,
            signer,
            kid: kid.to_owned(),
        }
    }

    /// A set with this key alone.
    pub(crate) fn set(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    /// A JWT with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(claims, &[])
    }

    /// The same with further members in its header.
    pub(crate) fn sign_as(&self, claims: &Value, header: &[(&str, Value)]) -> String {
        let mut members = Map::new();
        members.insert("kid".into(), json!(self.kid));
        for (name, value) in header {
            members.insert((*name).into(), value.clone());
        }
        let header = JwsHeader::from_map(members).unwrap();
        jws::serialize_compact(claims.to_string().as_bytes(), &header, &self.signer).unwrap()
    }
}
