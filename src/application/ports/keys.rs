//! Ports of the signing keys.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::StoreError;
use crate::domain::{
    algorithm::{Encryption, SigningAlgorithm, TokenAlgorithm},
    key::ServerKey,
};

/// Signing keys, reading.
#[async_trait]
pub trait Keys {
    /// All keys, in any phase.
    async fn signing_keys(&self) -> Result<Vec<ServerKey>, StoreError>;
}

/// Signing keys, changing.
#[async_trait]
pub trait KeysMut {
    /// Adds a key; false, and nothing added, if (algorithm, generation) exists.
    async fn add_signing_key(&self, key: &ServerKey) -> Result<bool, StoreError>;

    /// Stores the four times of a key that exists.
    async fn set_signing_key_times(&self, key: &ServerKey) -> Result<(), StoreError>;

    /// Forgets a key.
    async fn delete_signing_key(&self, kid: &str) -> Result<(), StoreError>;
}

/// A document that is served as it is, with its strong `ETag`.
#[derive(Clone, Debug)]
pub struct Document {
    /// The bytes.
    pub body: Bytes,
    /// The entity tag, in quotes.
    pub etag: String,
}

impl Document {
    /// These bytes, with a digest of them as their tag.
    pub fn of(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        Self { body, etag }
    }
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// There is no key of this algorithm that could sign. Answered with 503: one may come.
    #[error("there is no {0} key that could sign")]
    NoKey(SigningAlgorithm),
    /// The client has no secret that can be read again, which a MAC needs.
    #[error("the client has no secret that could make a MAC: give it a new one")]
    NoSecret,
    /// The client has no key that could be encrypted to.
    #[error("the client has no key for the encryption that it registered")]
    NoClientKey,
    /// The cryptographic library or the store refused.
    #[error("the signature could not be made")]
    Failed,
}

/// What every token that does not verify is: the reason is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct InvalidToken;

/// How a token for one client is secured.
pub struct Protection<'a> {
    /// What makes its integrity; nothing does where absent, and the claims are encrypted as they are.
    pub algorithm: Option<TokenAlgorithm>,
    /// The client's secret, for a MAC.
    pub secret: Option<&'a [u8]>,
    /// How it is encrypted afterwards, and the client's JWK Set.
    pub encryption: Option<(Encryption, &'a Value)>,
}

/// What proves that a token is of a client. The kind is decided by what the client registered, never by
/// the token.
#[derive(Clone, Copy)]
pub enum KeysOfClient<'a> {
    /// A key of this JWK Set signed it.
    Set(&'a Value),
    /// One of these secrets made its MAC.
    Secrets(&'a [Zeroizing<Vec<u8>>]),
    /// Nothing: `none` was registered.
    Unsecured,
}

/// Signing and verifying JWTs, whatever library does it. Dates, issuer and audience are the caller's
/// to check: they differ by purpose.
#[async_trait]
pub trait TokenSigner: Send + Sync {
    /// Signs `claims` (a JSON object) with the present key of `algorithm`; `typ` goes to the header.
    fn sign(
        &self,
        typ: &'static str,
        algorithm: SigningAlgorithm,
        claims: &[u8],
    ) -> Result<String, SignError>;

    /// The claims of a token that one of our own keys signed under this `typ`. An unknown key may be
    /// a peer's newest one, so the keys are read again, but seldom.
    async fn verify(
        &self,
        typ: &'static str,
        token: &str,
    ) -> Result<Map<String, Value>, InvalidToken>;

    /// The token of `claims` (a JSON object), secured as one client wants it.
    fn protect(
        &self,
        typ: &'static str,
        claims: &[u8],
        protection: &Protection<'_>,
    ) -> Result<String, SignError>;

    /// The token that was encrypted to a key of this server: as `expected`, if the client registered it.
    /// Nothing of it is verified yet.
    async fn decrypt(
        &self,
        token: &str,
        expected: Option<Encryption>,
    ) -> Result<String, InvalidToken>;

    /// The claims of an assertion that a key of this client made, with `algorithm` if the client registered
    /// one.
    fn verify_assertion(
        &self,
        assertion: &str,
        keys: KeysOfClient<'_>,
        algorithm: Option<TokenAlgorithm>,
    ) -> Result<Map<String, Value>, InvalidToken>;

    /// The claims of a request object that a key of this client made, with `algorithm` if the client
    /// registered one (RFC 9101 §6.2).
    fn verify_request_object(
        &self,
        object: &str,
        keys: KeysOfClient<'_>,
        algorithm: Option<TokenAlgorithm>,
    ) -> Result<Map<String, Value>, InvalidToken>;

    /// The claims of a token that we made for a client with its secret, under this `typ` and with this
    /// algorithm.
    fn verify_own(
        &self,
        typ: &'static str,
        token: &str,
        keys: KeysOfClient<'_>,
        algorithm: TokenAlgorithm,
    ) -> Result<Map<String, Value>, InvalidToken>;

    /// Makes the next key of every algorithm now. An operator's matter, not one of requests.
    async fn rotate(&self) -> Result<(), SignError>;

    /// Reads the keys again, and makes those that are missing.
    async fn reread(&self) -> Result<(), SignError>;

    /// The public keys as a JWK Set (RFC 7517 §5).
    fn jwks(&self) -> Arc<Document>;
}
