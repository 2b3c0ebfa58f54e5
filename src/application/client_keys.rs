//! The public keys of clients: by value from the registration, or fetched from `jwks_uri` and kept for a
//! while (OIDC Core §10.1.1).
//!
//! A set is believed for `FRESH`, so that a key which a client withdrew is dead by then. A token that
//! does not verify may be signed by a key that is newer than the set: it is fetched again, but not sooner
//! than `PAUSE` after the last time, whatever anybody sends.

use std::{ops::Deref, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Failure, Ports,
    fetched::Freshness,
    ports::{InvalidToken, KeysOfClient, SendError},
};
use crate::domain::{
    algorithm::{SigningAlgorithm, TokenAlgorithm},
    certificate::PresentedCertificate,
    client::Client,
    client_keys::KeySource,
};

/// How long a fetched set is believed.
const FRESH: Duration = Duration::from_mins(4);
/// Between two fetches from one address.
const PAUSE: Duration = Duration::from_secs(15);
/// Bytes of a set at most.
const MOST: usize = 64 * 1024;

/// What a key of the client signed.
#[derive(Clone, Copy)]
pub(super) enum Signed<'a> {
    /// An assertion that authenticates it.
    Assertion(&'a str),
    /// A request object.
    RequestObject(&'a str),
}

/// The claims of what a key of the client signed, with `algorithm` if it registered one.
pub(super) async fn verify(
    ports: &Ports,
    client: &Client,
    signed: Signed<'_>,
    algorithm: Option<SigningAlgorithm>,
) -> Result<Result<Map<String, Value>, InvalidToken>, Failure> {
    let algorithm = algorithm.map(TokenAlgorithm::Signature);
    let check =
        |ports, signed, jwks, algorithm| check(ports, signed, KeysOfClient::Set(jwks), algorithm);
    let uri = match client.key_source() {
        None => return Ok(Err(InvalidToken)),
        Some(KeySource::Set(jwks)) => return Ok(check(ports, signed, jwks, algorithm)),
        Some(KeySource::Uri(uri)) => uri,
    };
    let jwks = fetched(ports, uri, FRESH).await?;
    let checked = check(ports, signed, &jwks, algorithm);
    if checked.is_ok() {
        return Ok(checked);
    }
    let newer = fetched(ports, uri, PAUSE).await?;
    if Arc::ptr_eq(&newer, &jwks) {
        return Ok(checked);
    }
    Ok(check(ports, signed, &newer, algorithm))
}

/// The claims of what the client secured with `keys`, with `algorithm` if it registered one.
pub(super) fn check(
    ports: &Ports,
    signed: Signed<'_>,
    keys: KeysOfClient<'_>,
    algorithm: Option<TokenAlgorithm>,
) -> Result<Map<String, Value>, InvalidToken> {
    match signed {
        Signed::Assertion(token) => ports.signer.verify_assertion(token, keys, algorithm),
        Signed::RequestObject(token) => ports.signer.verify_request_object(token, keys, algorithm),
    }
}

/// Whether the client registered this certificate: it is the first of `x5c` of one of its keys (RFC 8705
/// §2.2.2).
pub(super) async fn holds(
    ports: &Ports,
    client: &Client,
    certificate: &PresentedCertificate,
) -> Result<bool, Failure> {
    let uri = match client.key_source() {
        None => return Ok(false),
        Some(KeySource::Set(jwks)) => return Ok(has_certificate(jwks, certificate)),
        Some(KeySource::Uri(uri)) => uri,
    };
    let known = fetched(ports, uri, FRESH).await?;
    Ok(has_certificate(&known, certificate)
        || has_certificate(&*fetched(ports, uri, PAUSE).await?, certificate))
}

fn has_certificate(jwks: &Value, certificate: &PresentedCertificate) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let own = STANDARD.encode(&certificate.own);
    let keys = jwks.get("keys").and_then(Value::as_array);
    let mut registered = keys
        .into_iter()
        .flatten()
        .filter_map(|key| key.get("x5c")?.get(0));
    registered.any(|it| *it == own)
}

/// The JWK Set of the client, to encrypt to. A client without keys has an empty one.
pub(super) async fn set<'a>(ports: &Ports, client: &'a Client) -> Result<Jwks<'a>, Failure> {
    match client.key_source() {
        None => Ok(Jwks::Fetched(Arc::new(Value::Null))),
        Some(KeySource::Set(jwks)) => Ok(Jwks::Registered(jwks)),
        Some(KeySource::Uri(uri)) => fetched(ports, uri, FRESH).await.map(Jwks::Fetched),
    }
}

/// A JWK Set.
pub(super) enum Jwks<'a> {
    /// From the registration.
    Registered(&'a Value),
    /// From the client's address.
    Fetched(Arc<Value>),
}

impl Deref for Jwks<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self {
            Self::Registered(jwks) => jwks,
            Self::Fetched(jwks) => jwks,
        }
    }
}

/// The set at `uri`, not older than `age` if it may be fetched. What is older than `FRESH` is not
/// believed, even if nothing newer is to be had.
async fn fetched(ports: &Ports, uri: &str, age: Duration) -> Result<Arc<Value>, Failure> {
    let freshness = Freshness {
        age,
        most: FRESH,
        pause: PAUSE,
    };
    let when = (&*ports.clock, freshness);
    let set = ports.client_keys.get(uri, when, fetch(ports, uri)).await;
    set.ok_or(Failure::Unavailable("the jwks_uri of the client", None))
}

async fn fetch(ports: &Ports, uri: &str) -> Result<Value, SendError> {
    let bytes = ports.outbound.get(uri, MOST).await?;
    let set: Value =
        serde_json::from_slice(&bytes).map_err(|error| SendError::Permanent(error.to_string()))?;
    (ports.check_jwks)(&set).map_err(SendError::Permanent)?;
    Ok(set)
}
