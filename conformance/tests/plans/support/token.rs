//! Tokens that the provider signs, verified with another implementation than its own (RFC 7515, RFC 7518).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
        RsaPublicKeyComponents, UnparsedPublicKey,
    },
};
use serde_json::Value;

/// A token whose signature is good.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) raw: String,
    pub(crate) header: Value,
    pub(crate) claims: Value,
}

impl Verified {
    /// A compact JWS, signed by the key that its `kid` names in `jwks`.
    pub(crate) fn new(raw: &str, jwks: &Value) -> Self {
        let parts: Vec<&str> = raw.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            panic!("not a compact JWS: {raw}");
        };
        let json = |part: &str| serde_json::from_slice::<Value>(&bytes(part)).unwrap();
        let (header, claims) = (json(header), json(payload));
        let keys = jwks["keys"].as_array().unwrap();
        let mut named = keys.iter().filter(|key| key["kid"] == header["kid"]);
        let (key, other) = (named.next().unwrap(), named.next());
        assert!(header["kid"].is_string() && other.is_none(), "{header}");
        let signed = raw.rsplit_once('.').unwrap().0.as_bytes();
        verify(key, &header, signed, &bytes(signature));
        Self {
            raw: raw.to_owned(),
            header,
            claims,
        }
    }

    /// A claim that is text.
    pub(crate) fn text(&self, name: &str) -> &str {
        let claim = self.claims[name].as_str();
        claim.unwrap_or_else(|| panic!("no {name}: {}", self.claims))
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        let claim = self.claims[name].as_u64();
        claim.unwrap_or_else(|| panic!("no {name}: {}", self.claims))
    }
}

fn verify(key: &Value, header: &Value, signed: &[u8], signature: &[u8]) {
    let member = |name: &str| bytes(key[name].as_str().unwrap());
    let algorithm = header["alg"].as_str().unwrap();
    assert!(
        key["alg"].is_null() || key["alg"] == algorithm,
        "{key} {header}"
    );
    let result = match algorithm {
        "RS256" | "PS256" => {
            let (n, e) = (member("n"), member("e"));
            let scheme = match algorithm {
                "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                _ => &RSA_PSS_2048_8192_SHA256,
            };
            RsaPublicKeyComponents { n, e }.verify(scheme, signed, signature)
        }
        "ES256" => {
            let point = [vec![4], member("x"), member("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
        }
        other => panic!("signed with {other}"),
    };
    assert!(result.is_ok(), "the signature is wrong: {header}");
}

/// What stands in `at_hash` and `c_hash` (OIDC Core §3.1.3.6, §3.3.2.11), for algorithms with SHA-256.
pub(crate) fn half_hash(value: &str) -> String {
    let digest = digest::digest(&digest::SHA256, value.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}

/// Lower-case hexadecimal SHA-256.
pub(crate) fn sha256(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let bytes = digest.as_ref().iter();
    bytes.fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
