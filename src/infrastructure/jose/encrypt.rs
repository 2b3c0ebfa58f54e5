//! RFC 7516, OIDC Core §10.2 — tokens for one client, encrypted to a key of that client.

use josekit::jwe::{self, JweEncrypter, JweHeader};
use serde_json::Value;

use super::{client_set, decrypt::cipher, guarded, jwk::PublicKey};
use crate::domain::algorithm::{Encryption, KeyManagement};

/// `cty` of an encrypted token: a token is in it (RFC 7519 §5.2).
const NESTED: &str = "JWT";

/// What is encrypted.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// A token: a nested JWT.
    Token(&'a str),
    /// Claims as they are (OIDC Core §5.3.2, userinfo without a signature).
    Claims(&'a [u8]),
}

/// Encrypts to the first key of `jwks` that is for this. None if there is none.
pub(super) fn encrypt(
    content: Content<'_>,
    encryption: Encryption,
    jwks: &Value,
) -> Option<String> {
    let (key, kid) = client_set::encryption_key(jwks, encryption.alg).ok()??;
    guarded(|| {
        let mut header = JweHeader::new();
        header.set_content_encryption(cipher(encryption.enc).name());
        let bytes = match content {
            Content::Token(token) => {
                header.set_content_type(NESTED);
                token.as_bytes()
            }
            Content::Claims(claims) => claims,
        };
        if let Some(kid) = kid {
            header.set_key_id(kid);
        }
        let encrypter = encrypter(encryption.alg, &key)?;
        jwe::serialize_compact(bytes, &header, &*encrypter).ok()
    })
}

fn encrypter(algorithm: KeyManagement, key: &PublicKey) -> Option<Box<dyn JweEncrypter>> {
    fn boxed<E: JweEncrypter + 'static>(encrypter: E) -> Box<dyn JweEncrypter> {
        Box::new(encrypter)
    }
    use KeyManagement as M;
    let jwk = key.to_josekit()?;
    match algorithm {
        M::RsaOaep => jwe::RSA_OAEP.encrypter_from_jwk(&jwk).ok().map(boxed),
        M::RsaOaep256 => jwe::RSA_OAEP_256.encrypter_from_jwk(&jwk).ok().map(boxed),
        M::EcdhEs => jwe::ECDH_ES.encrypter_from_jwk(&jwk).ok().map(boxed),
        M::EcdhEsA128Kw => jwe::ECDH_ES_A128KW.encrypter_from_jwk(&jwk).ok().map(boxed),
        M::EcdhEsA256Kw => jwe::ECDH_ES_A256KW.encrypter_from_jwk(&jwk).ok().map(boxed),
    }
}
