//! Keys of clients, and what they sign.

use josekit::{
    jwk::{Jwk, KeyPair as _, alg::rsa::RsaKeyPair},
    jws::{self, JwsHeader},
};
use serde_json::{Map, Value, json};

use super::{now, random};

/// A key for RS256.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    private: Jwk,
    /// The public one, as a JWK.
    pub(crate) public: Value,
    kid: String,
}

impl Key {
    pub(crate) fn new() -> Self {
        let kid = random(8);
        let pair = RsaKeyPair::generate(2048).unwrap();
        let public = pair.to_jwk_public_key().to_string();
        let mut public: Value = serde_json::from_str(&public).unwrap();
        public["kid"] = json!(kid);
        public["use"] = json!("sig");
        public["alg"] = json!("RS256");
        Self {
            private: pair.to_jwk_private_key(),
            public,
            kid,
        }
    }

    /// A set with this key alone.
    pub(crate) fn set(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    /// A JWT with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Map::new();
        header.insert("kid".to_owned(), json!(self.kid));
        let header = JwsHeader::from_map(header).unwrap();
        let signer = jws::RS256.signer_from_jwk(&self.private).unwrap();
        jws::serialize_compact(claims.to_string().as_bytes(), &header, &signer).unwrap()
    }

    /// By which a client authenticates (OIDC Core §9).
    pub(crate) fn assertion(&self, client: &str, audience: &str) -> String {
        let now = now();
        self.sign(&json!({
            "iss": client, "sub": client, "aud": audience, "jti": random(20), "iat": now, "exp": now + 60,
        }))
    }
}
