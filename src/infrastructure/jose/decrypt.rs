//! RFC 7516, RFC 7518 §4, §5 — encrypted tokens that come in.
//!
//! josekit does the arithmetic; what it would let pass is looked at first: lengths of every part, the
//! kind and curve of the ephemeral key, a MAC before anything is deciphered under it. Whatever is wrong,
//! the answer is the same, and a wrapped key that does not unwrap is replaced by a random one (RFC 7516
//! §11.5), so that neither text nor time says which part it was.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use josekit::jwe::{self, JweContentEncryption, JweDecrypter, JweHeader, enc};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::{
    guarded,
    json::parse_object,
    jwk::{MAX_KID, PublicKey},
    mac,
    sign::josekit_public,
};
use crate::{
    application::ports::{InvalidToken, Rng},
    domain::algorithm::{ContentEncryption, Encryption, EncryptionKey, KeyManagement},
};

/// Bytes of an encrypted token at most: a signed one of 16 KiB fits.
const MAX_TOKEN: usize = 24 * 1024;
/// Header members that change what a token means in ways that are not offered (RFC 7516 §4.1.3, §4.1.13).
const REFUSED_MEMBERS: &[&str] = &["crit", "b64", "zip"];
/// Bytes of a party's information at most (RFC 7518 §4.6.1.2), encoded.
const MAX_PARTY: usize = 512;

/// An encrypted token that was taken apart.
pub(super) struct Encrypted<'a> {
    /// How it says to be encrypted.
    pub(super) encryption: Encryption,
    header: Map<String, Value>,
    protected: &'a str,
    key: Vec<u8>,
    iv: Vec<u8>,
    content: Vec<u8>,
    tag: Vec<u8>,
}

impl<'a> Encrypted<'a> {
    /// Takes a token apart. Every length that does not depend on the key is right afterwards.
    pub(super) fn parse(token: &'a str) -> Result<Self, InvalidToken> {
        if token.len() > MAX_TOKEN {
            return Err(InvalidToken);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [protected, key, iv, content, tag] = parts[..] else {
            return Err(InvalidToken);
        };
        let header = parse_object(&decode(protected)?).map_err(|_| InvalidToken)?;
        let encryption = checked_header(&header)?;
        let token = Self {
            encryption,
            header,
            protected,
            key: decode(key)?,
            iv: decode(iv)?,
            content: decode(content)?,
            tag: decode(tag)?,
        };
        token
            .has_right_lengths()
            .then_some(token)
            .ok_or(InvalidToken)
    }

    /// `kid`
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// RFC 7518 §5.2.2.1, §5.3, §4.6: initialization vector, tag, whole blocks, wrapped key.
    fn has_right_lengths(&self) -> bool {
        let enc = self.encryption.enc;
        let (iv, tag) = match enc {
            ContentEncryption::A128CbcHs256 => (16, 16),
            ContentEncryption::A256CbcHs512 => (16, 32),
            ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => (12, 16),
        };
        let is_whole =
            !is_cbc(enc) || (!self.content.is_empty() && self.content.len().is_multiple_of(16));
        let key = match self.encryption.alg {
            KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => None,
            KeyManagement::EcdhEs => Some(0),
            KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => {
                Some(cipher(enc).key_len() + 8)
            }
        };
        self.iv.len() == iv
            && self.tag.len() == tag
            && is_whole
            && key.is_none_or(|length| self.key.len() == length)
    }

    /// The agreed or unwrapped key; a random one if that fails.
    fn content_key(&self, key: &DecryptionKey, rng: &dyn Rng) -> Zeroizing<Vec<u8>> {
        let enc = cipher(self.encryption.enc);
        let unwrapped = guarded(|| {
            let header = JweHeader::from_map(self.header.clone()).ok()?;
            let wrapped = Some(self.key.as_slice()).filter(|key| !key.is_empty());
            let decrypter = key.decrypter(self.encryption.alg)?;
            let unwrapped = decrypter.decrypt(wrapped, enc, &header).ok()?;
            Some(Zeroizing::new(unwrapped.into_owned()))
        });
        unwrapped
            .filter(|key| key.len() == enc.key_len())
            .unwrap_or_else(|| {
                let mut random = Zeroizing::new(vec![0; enc.key_len()]);
                rng.fill(&mut random);
                random
            })
    }

    fn open(&self, key: &[u8]) -> Option<Vec<u8>> {
        let aad = self.protected.as_bytes();
        let enc = self.encryption.enc;
        if is_cbc(enc) && !self.has_right_mac(key, aad) {
            return None;
        }
        guarded(|| {
            cipher(enc)
                .decrypt(key, Some(&self.iv), &self.content, aad, Some(&self.tag))
                .ok()
        })
    }

    /// RFC 7518 §5.2.2.2 — the MAC comes first: josekit would decipher before it looks.
    fn has_right_mac(&self, key: &[u8], aad: &[u8]) -> bool {
        let bits = (aad.len() as u64 * 8).to_be_bytes();
        let parts = [aad, &self.iv, &self.content, &bits];
        let half = key.get(..key.len() / 2).unwrap_or_default();
        macro_rules! mac {
            ($hash:ty) => {
                Hmac::<$hash>::new_from_slice(half).ok().map(|mac| {
                    let mac = parts.iter().fold(mac, |mac, part| mac.chain_update(part));
                    mac.finalize().into_bytes().to_vec()
                })
            };
        }
        let whole = if enc_is_long(self.encryption.enc) {
            mac!(Sha512)
        } else {
            mac!(Sha256)
        };
        let right = whole.as_ref().and_then(|mac| mac.get(..mac.len() / 2));
        right.is_some_and(|right| mac::same(right, &self.tag))
    }
}

/// A private key that others encrypt to.
pub(super) struct DecryptionKey {
    der: Zeroizing<Vec<u8>>,
    kind: EncryptionKey,
    public: PublicKey,
}

impl DecryptionKey {
    /// Parses a private key. None if it is unusual or not of this kind.
    pub(super) fn open(kind: EncryptionKey, der: &[u8]) -> Option<Self> {
        let public = guarded(|| josekit_public(kind.into(), der))?;
        let public = PublicKey::parse(public.as_ref()).ok()??;
        (public.encryption() == Some(kind)).then(|| Self {
            der: Zeroizing::new(der.to_vec()),
            kind,
            public,
        })
    }

    /// The public half.
    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Whether a token of this algorithm can be for it.
    pub(super) fn fits(&self, algorithm: KeyManagement) -> bool {
        algorithm.key() == self.kind
    }

    /// What was encrypted to this key: a text, because it is another token.
    pub(super) fn decrypt(
        &self,
        token: &Encrypted<'_>,
        rng: &dyn Rng,
    ) -> Result<String, InvalidToken> {
        let is_for_it = self.fits(token.encryption.alg) && self.agrees_with(token);
        if !is_for_it {
            return Err(InvalidToken);
        }
        let content = token.open(&token.content_key(self, rng));
        content
            .and_then(|content| String::from_utf8(content).ok())
            .ok_or(InvalidToken)
    }

    /// The wrapped key is as long as the modulus; the ephemeral key is on our curve, its coordinates
    /// whole (RFC 7518 §4.6.1.1). That the point is on the curve is proved when it is used.
    fn agrees_with(&self, token: &Encrypted<'_>) -> bool {
        match &self.public {
            PublicKey::Rsa { n, .. } => token.key.len() == n.len(),
            PublicKey::Ec { curve, .. } => {
                let ephemeral = token.header.get("epk").and_then(Value::as_object);
                let ephemeral = ephemeral.and_then(|jwk| PublicKey::parse(jwk).ok().flatten());
                matches!(ephemeral, Some(PublicKey::Ec { curve: theirs, .. }) if theirs == *curve)
            }
            PublicKey::Ed25519 { .. } => false,
        }
    }

    fn decrypter(&self, algorithm: KeyManagement) -> Option<Box<dyn JweDecrypter>> {
        fn boxed<D: JweDecrypter + 'static>(decrypter: D) -> Box<dyn JweDecrypter> {
            Box::new(decrypter)
        }
        use KeyManagement as M;
        let der = self.der.as_slice();
        match algorithm {
            M::RsaOaep => jwe::RSA_OAEP.decrypter_from_der(der).ok().map(boxed),
            M::RsaOaep256 => jwe::RSA_OAEP_256.decrypter_from_der(der).ok().map(boxed),
            M::EcdhEs => jwe::ECDH_ES.decrypter_from_der(der).ok().map(boxed),
            M::EcdhEsA128Kw => jwe::ECDH_ES_A128KW.decrypter_from_der(der).ok().map(boxed),
            M::EcdhEsA256Kw => jwe::ECDH_ES_A256KW.decrypter_from_der(der).ok().map(boxed),
        }
    }
}

/// josekit's name for it.
pub(super) fn cipher(enc: ContentEncryption) -> &'static dyn JweContentEncryption {
    match enc {
        ContentEncryption::A128CbcHs256 => &enc::A128CBC_HS256,
        ContentEncryption::A256CbcHs512 => &enc::A256CBC_HS512,
        ContentEncryption::A128Gcm => &enc::A128GCM,
        ContentEncryption::A256Gcm => &enc::A256GCM,
    }
}

fn is_cbc(enc: ContentEncryption) -> bool {
    match enc {
        ContentEncryption::A128CbcHs256 | ContentEncryption::A256CbcHs512 => true,
        ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => false,
    }
}

fn enc_is_long(enc: ContentEncryption) -> bool {
    enc == ContentEncryption::A256CbcHs512
}

/// The algorithms of a header that holds nothing it must not.
fn checked_header(header: &Map<String, Value>) -> Result<Encryption, InvalidToken> {
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let is_short = |name: &str, most: usize| match header.get(name) {
        None => true,
        Some(value) => value.as_str().is_some_and(|text| text.len() <= most),
    };
    let is_fine = !REFUSED_MEMBERS
        .iter()
        .any(|name| header.contains_key(*name))
        && is_short("kid", MAX_KID)
        && is_short("typ", 64)
        && is_short("cty", 64)
        && ["apu", "apv"].iter().all(|name| {
            is_short(name, MAX_PARTY) && text(name).is_none_or(|text| decode(text).is_ok())
        });
    let alg = text("alg").and_then(|name| name.parse().ok());
    let enc = text("enc").and_then(|name| name.parse().ok());
    match (alg, enc) {
        (Some(alg), Some(enc)) if is_fine => Ok(Encryption { alg, enc }),
        _ => Err(InvalidToken),
    }
}

/// Strictly: no padding, no line breaks, no stray bits.
fn decode(text: &str) -> Result<Vec<u8>, InvalidToken> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_whatever_panics(text: String, parts: [Vec<u8>; 5]) {
            let _ = Encrypted::parse(&text);
            let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
            prop_assert!(Encrypted::parse(&parts.join(".")).is_err());
        }
    }
}
