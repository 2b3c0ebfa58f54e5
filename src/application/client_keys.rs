//! The public keys of clients: by value from the registration, or fetched from `jwks_uri` and kept for a
//! while (OIDC Core §10.1.1).
//!
//! A set is believed for `FRESH`, so that a key which a client withdrew is dead by then. A token that
//! does not verify may be signed by a key that is newer than the set: it is fetched again, but not sooner
//! than `PAUSE` after the last time, whatever anybody sends.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Failure, Ports,
    fetched::Freshness,
    ports::{InvalidToken, SendError},
};
use crate::domain::{client::Client, client_keys::KeySource, key::SigningAlgorithm};

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

fn check(
    ports: &Ports,
    signed: Signed<'_>,
    jwks: &Value,
    algorithm: Option<SigningAlgorithm>,
) -> Result<Map<String, Value>, InvalidToken> {
    match signed {
        Signed::Assertion(token) => ports.signer.verify_assertion(token, jwks, algorithm),
        Signed::RequestObject(token) => ports.signer.verify_request_object(token, jwks, algorithm),
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
