//! Typed records over the state store: JSON in, JSON out.
//!
//! Nothing here looks at a clock. A record that must not be used after a moment carries that
//! moment, and whoever reads it compares it with the injected clock.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::ports::state::{StateError, StateKey, StateStore};

/// Writes a record whatever was there before.
pub async fn put_record<T: Serialize + Sync>(
    store: &dyn StateStore,
    key: &StateKey,
    record: &T,
    ttl: Duration,
) -> Result<(), StateError> {
    store.put(key, &encode(record)?, ttl).await
}

/// Writes a record only if there is none; says whether it was written.
pub async fn add_record<T: Serialize + Sync>(
    store: &dyn StateStore,
    key: &StateKey,
    record: &T,
    ttl: Duration,
) -> Result<bool, StateError> {
    store.add(key, &encode(record)?, ttl).await
}

/// Reads a record.
pub async fn get_record<T: DeserializeOwned>(
    store: &dyn StateStore,
    key: &StateKey,
) -> Result<Option<T>, StateError> {
    let bytes = store.get(key).await?;
    bytes.as_deref().map(decode).transpose()
}

/// Replaces a record and its time to live, and returns the old one; writes nothing if there is
/// none. Exactly one of several callers gets each record.
pub async fn swap_record<T: Serialize + DeserializeOwned + Sync>(
    store: &dyn StateStore,
    key: &StateKey,
    record: &T,
    ttl: Duration,
) -> Result<Option<T>, StateError> {
    let bytes = store.swap(key, &encode(record)?, ttl).await?;
    bytes.as_deref().map(decode).transpose()
}

/// A record as it was read, to be replaced if nobody else has changed it in between.
///
/// It keeps the bytes: a record written by an older version may encode differently today, and the
/// comparison must be with what the store holds.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// The record.
    pub record: T,
    bytes: Vec<u8>,
}

impl<T: DeserializeOwned> Stored<T> {
    /// The record that these bytes are.
    pub fn of(bytes: Vec<u8>) -> Result<Self, StateError> {
        let record = decode(&bytes)?;
        Ok(Self { record, bytes })
    }
}

/// Reads a record in order to replace it.
pub async fn read_record<T: DeserializeOwned>(
    store: &dyn StateStore,
    key: &StateKey,
) -> Result<Option<Stored<T>>, StateError> {
    let Some(bytes) = store.get(key).await? else {
        return Ok(None);
    };
    let record = decode(&bytes)?;
    Ok(Some(Stored { record, bytes }))
}

/// Replaces a record and its time to live unless somebody has changed it since `current` was read;
/// says whether it was replaced.
pub async fn replace_record<T: Serialize + Sync>(
    store: &dyn StateStore,
    key: &StateKey,
    current: &Stored<T>,
    next: &T,
    ttl: Duration,
) -> Result<bool, StateError> {
    store
        .replace(key, &current.bytes, &encode(next)?, ttl)
        .await
}

/// How many events a counter holds, without counting one.
pub async fn count(store: &dyn StateStore, key: &StateKey) -> Result<u64, StateError> {
    let Some(digits) = store.get(key).await? else {
        return Ok(0);
    };
    let digits = std::str::from_utf8(&digits).map_err(|_| StateError::Corrupt)?;
    digits.parse().map_err(|_| StateError::Corrupt)
}

fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(record).map_err(|_| StateError::Corrupt)
}

/// The record that these bytes are.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    serde_json::from_slice(bytes).map_err(|_| StateError::Corrupt)
}
