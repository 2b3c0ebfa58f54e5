//! Algorithms of signed and encrypted tokens (RFC 7518, RFC 8037, RFC 9864).

use serde::{Deserialize, Serialize};

use super::names::{UnknownName, registered_names};

registered_names! {
    /// Signature algorithms with a key pair. The order is that of preference.
    SigningAlgorithm {
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
        /// RSASSA-PSS with SHA-256.
        Ps256 = "PS256",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// Ed25519 under the name that RFC 8037 gave it, which RFC 9864 deprecates.
        EdDsa = "EdDSA",
        /// Ed25519 under its own name (RFC 9864 §2.2).
        Ed25519 = "Ed25519",
        /// ECDSA on P-384 with SHA-384.
        Es384 = "ES384",
        /// ECDSA on P-521 with SHA-512.
        Es512 = "ES512",
        /// RSASSA-PSS with SHA-384.
        Ps384 = "PS384",
        /// RSASSA-PSS with SHA-512.
        Ps512 = "PS512",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        Rs384 = "RS384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        Rs512 = "RS512",
    }
}

impl SigningAlgorithm {
    /// Those that a new server has keys for.
    pub const USUAL: &'static [Self] = &[Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The hash that belongs to it. Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
    pub fn hash(self) -> Hash {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => Hash::Sha256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => Hash::Sha384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa | Self::Ed25519 => Hash::Sha512,
        }
    }
}

registered_names! {
    /// Message authentication codes, their key the client's secret (OIDC Core §10.1).
    MacAlgorithm {
        /// HMAC with SHA-256.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
    }
}

impl MacAlgorithm {
    /// Bytes that its key must have at least (RFC 7518 §3.2).
    pub fn least_key(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }

    /// The hash that belongs to it.
    pub fn hash(self) -> Hash {
        match self {
            Self::Hs256 => Hash::Sha256,
            Self::Hs384 => Hash::Sha384,
            Self::Hs512 => Hash::Sha512,
        }
    }
}

/// Hashes of the signature algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// 256 bits.
    Sha256,
    /// 384 bits.
    Sha384,
    /// 512 bits.
    Sha512,
}

/// `id_token_signed_response_alg`, `userinfo_signed_response_alg`: what secures a token for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&str", try_from = "String")]
pub enum TokenAlgorithm {
    /// A key pair of this server.
    Signature(SigningAlgorithm),
    /// The secret that this server shares with the client.
    Mac(MacAlgorithm),
    /// Nothing but the connection (OIDC Core §2: only from the token endpoint).
    None,
}

impl TokenAlgorithm {
    /// The JOSE name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signature(algorithm) => algorithm.as_str(),
            Self::Mac(algorithm) => algorithm.as_str(),
            Self::None => "none",
        }
    }

    /// Every algorithm for tokens of a server that has keys for `signing`.
    pub fn every(signing: impl IntoIterator<Item = SigningAlgorithm>) -> Vec<Self> {
        let signatures = signing.into_iter().map(Self::Signature);
        let macs = MacAlgorithm::ALL.iter().copied().map(Self::Mac);
        signatures.chain(macs).chain([Self::None]).collect()
    }

    /// The hash of `at_hash`, `c_hash` and `s_hash` (OIDC Core §3.1.3.6); nothing says which for an
    /// unsecured token, so the commonest.
    pub fn hash(self) -> Hash {
        match self {
            Self::Signature(algorithm) => algorithm.hash(),
            Self::Mac(algorithm) => algorithm.hash(),
            Self::None => Hash::Sha256,
        }
    }
}

impl From<SigningAlgorithm> for TokenAlgorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        Self::Signature(algorithm)
    }
}

impl From<TokenAlgorithm> for &'static str {
    fn from(algorithm: TokenAlgorithm) -> Self {
        algorithm.as_str()
    }
}

impl std::fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for TokenAlgorithm {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        if text == "none" {
            return Ok(Self::None);
        }
        let mac = || text.parse().map(Self::Mac);
        text.parse().map(Self::Signature).or_else(|_| mac())
    }
}

impl TryFrom<String> for TokenAlgorithm {
    type Error = UnknownName;

    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}

registered_names! {
    /// How the key of an encrypted token is agreed or carried (RFC 7518 §4.1). `RSA1_5` never.
    KeyManagement {
        /// RSAES OAEP with SHA-1.
        RsaOaep = "RSA-OAEP",
        /// RSAES OAEP with SHA-256.
        RsaOaep256 = "RSA-OAEP-256",
        /// Elliptic curve Diffie-Hellman, the agreed key being the content's.
        EcdhEs = "ECDH-ES",
        /// The agreed key wraps the content's.
        EcdhEsA128Kw = "ECDH-ES+A128KW",
        /// The agreed key wraps the content's.
        EcdhEsA256Kw = "ECDH-ES+A256KW",
    }
}

impl KeyManagement {
    /// The kind of key that it takes.
    pub fn key(self) -> EncryptionKey {
        match self {
            Self::RsaOaep | Self::RsaOaep256 => EncryptionKey::Rsa,
            Self::EcdhEs | Self::EcdhEsA128Kw | Self::EcdhEsA256Kw => EncryptionKey::Ec,
        }
    }
}

registered_names! {
    /// Kinds of key pairs for encryption.
    EncryptionKey {
        /// An RSA key.
        Rsa = "RSA-OAEP",
        /// A key on P-256.
        Ec = "ECDH-ES",
    }
}

registered_names! {
    /// How the content of an encrypted token is encrypted (RFC 7518 §5.1).
    ContentEncryption {
        /// AES-128 in CBC mode with HMAC SHA-256.
        A128CbcHs256 = "A128CBC-HS256",
        /// AES-256 in CBC mode with HMAC SHA-512.
        A256CbcHs512 = "A256CBC-HS512",
        /// AES-128 in Galois/Counter mode.
        A128Gcm = "A128GCM",
        /// AES-256 in Galois/Counter mode.
        A256Gcm = "A256GCM",
    }
}

impl ContentEncryption {
    /// What is meant where nothing is said (OIDC Registration §2).
    pub const USUAL: Self = Self::A128CbcHs256;

    fn usual() -> Self {
        Self::USUAL
    }
}

/// How a token for a client is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// `…_encrypted_response_alg`
    pub alg: KeyManagement,
    /// `…_encrypted_response_enc`
    #[serde(default = "ContentEncryption::usual")]
    pub enc: ContentEncryption,
}

/// Both, separated by a comma: `RSA-OAEP-256,A256GCM`.
impl std::str::FromStr for Encryption {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let (alg, enc) = match text.split_once(',') {
            Some((alg, enc)) => (alg, enc.parse()?),
            None => (text, ContentEncryption::USUAL),
        };
        let alg = alg.parse()?;
        Ok(Self { alg, enc })
    }
}

/// What a key pair of this server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&str", try_from = "String")]
pub enum KeyAlgorithm {
    /// It signs tokens.
    Signing(SigningAlgorithm),
    /// Clients encrypt request objects to it.
    Encryption(EncryptionKey),
}

impl KeyAlgorithm {
    /// The name that it is kept and shown under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signing(algorithm) => algorithm.as_str(),
            Self::Encryption(key) => key.as_str(),
        }
    }
}

impl From<SigningAlgorithm> for KeyAlgorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        Self::Signing(algorithm)
    }
}

impl From<EncryptionKey> for KeyAlgorithm {
    fn from(key: EncryptionKey) -> Self {
        Self::Encryption(key)
    }
}

impl From<KeyAlgorithm> for &'static str {
    fn from(algorithm: KeyAlgorithm) -> Self {
        algorithm.as_str()
    }
}

impl std::fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for KeyAlgorithm {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let encryption = || text.parse().map(Self::Encryption);
        text.parse().map(Self::Signing).or_else(|_| encryption())
    }
}

impl TryFrom<String> for KeyAlgorithm {
    type Error = UnknownName;

    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_algorithm_of_a_token_is_read_by_its_name_and_no_other_spelling_is() {
        for algorithm in TokenAlgorithm::every(SigningAlgorithm::ALL.iter().copied()) {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            let json = serde_json::to_value(algorithm).unwrap();
            assert_eq!(
                serde_json::from_value::<TokenAlgorithm>(json).unwrap(),
                algorithm
            );
        }
        for text in ["None", "nOnE", "", "hs256", "RSA1_5", "HS1", "ES256K"] {
            assert!(text.parse::<TokenAlgorithm>().is_err(), "{text}");
        }
    }

    #[test]
    fn rsa1_5_and_the_algorithms_of_passwords_are_no_key_management() {
        for text in [
            "RSA1_5",
            "PBES2-HS256+A128KW",
            "dir",
            "A128KW",
            "RSA-OAEP-512",
        ] {
            assert!(text.parse::<KeyManagement>().is_err(), "{text}");
        }
    }
}
