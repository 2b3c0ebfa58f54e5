//! The store of what is short-lived and hot: codes, sessions, refresh families, replay keys,
//! counters. Atomic byte operations, each change on one key, so that any number of nodes can share a
//! store without a lock.
//!
//! Time to live is the store's own clock. A record that must not be used after a moment carries
//! that moment too, and the injected clock decides: neither a node whose clock is behind nor a store
//! whose clock is behind can let it live on.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

/// Atomic operations on short-lived records. An operation that has answered is visible to every
/// later one, on every node.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Writes the record whatever was there before.
    async fn put(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<(), StateError>;

    /// Writes the record only if there is none; says whether it was written.
    async fn add(&self, key: &StateKey, value: &[u8], ttl: Duration) -> Result<bool, StateError>;

    /// The record, if it is there and has not expired.
    async fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError>;

    /// The records of all these keys, in their order, in one round trip. Each is as [`get`] would
    /// show it; changes of others may come in between.
    ///
    /// [`get`]: StateStore::get
    async fn get_many(&self, keys: &[StateKey]) -> Result<Vec<Option<Vec<u8>>>, StateError>;

    /// Replaces an existing record and its time to live, and returns the old one. Without a record
    /// nothing is written. Of several callers exactly one sees each value: this is how anything is
    /// used only once.
    async fn swap(
        &self,
        key: &StateKey,
        value: &[u8],
        ttl: Duration,
    ) -> Result<Option<Vec<u8>>, StateError>;

    /// Replaces the record and its time to live only if it equals `expected`; says whether it did.
    async fn replace(
        &self,
        key: &StateKey,
        expected: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, StateError>;

    /// Removes the record; says whether there was one.
    async fn delete(&self, key: &StateKey) -> Result<bool, StateError>;

    /// Counts one event and returns how many there have been in the present window, which opens
    /// with the first event and does not move. `get` shows the count as decimal digits.
    async fn hit(&self, key: &StateKey, window: Duration) -> Result<u64, StateError> {
        self.count(key, 1, window).await
    }

    /// As [`hit`], for so many events at once.
    ///
    /// [`hit`]: StateStore::hit
    async fn count(&self, key: &StateKey, events: u64, window: Duration)
    -> Result<u64, StateError>;

    /// Names the store's memory: as long as the name is the same, nothing was forgotten by a
    /// restart or by another server taking over. Costs no round trip while the store is connected.
    async fn incarnation(&self) -> Result<Arc<str>, StateError>;
}

/// The name of a record: its kind and the digest of its identifier. Because a key can be made in no
/// other way, a code is never found under the name of a refresh token, and a stolen copy of the
/// store holds nothing that could be presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateKey {
    kind: Kind,
    digest: [u8; 32],
}

impl StateKey {
    /// The key of the record of this kind that `identifier` (a code, a session id, an address)
    /// names.
    pub fn new(kind: Kind, identifier: &str) -> Self {
        Self {
            kind,
            digest: Sha256::digest(identifier).into(),
        }
    }

    /// What the record is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The key of the record that these parts name together, each told from the next by its length.
    pub fn of_parts(kind: Kind, parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self {
            kind,
            digest: digest.finalize().into(),
        }
    }

    /// SHA-256 of the identifier.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// What a record is. Each kind is a namespace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An authorization code, or the tombstone of a redeemed one.
    Code,
    /// An authorization request that waits for login or consent.
    Interaction,
    /// A browser session.
    Session,
    /// The rotation state of a refresh token family.
    RefreshFamily,
    /// An opaque access token.
    AccessToken,
    /// A self-contained token that was revoked before its time.
    RevokedToken,
    /// The identifier of a client assertion that was presented (RFC 7523 section 3).
    Assertion,
    /// A counter of events: failed logins, requests by address.
    Counter,
    /// The answer to a request that may be sent again under the same key.
    Idempotency,
    /// What every request reads: the turn of the directory, the epoch of the store's memory.
    Pulse,
}

impl Kind {
    /// The prefix of every key of this kind: letters only.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Interaction => "interaction",
            Self::Session => "session",
            Self::RefreshFamily => "family",
            Self::AccessToken => "access",
            Self::RevokedToken => "revoked",
            Self::Assertion => "assertion",
            Self::Counter => "counter",
            Self::Idempotency => "idempotency",
            Self::Pulse => "pulse",
        }
    }

    /// Whether a write must have reached the disk before it is answered. A power cut that forgot it
    /// would bring something dead back to life: a rotated refresh token, a revoked token, a session
    /// after logout. A resurrected code is caught by the unique digest of its grant in SQL.
    pub fn is_durable(self) -> bool {
        match self {
            Self::Session | Self::RefreshFamily | Self::RevokedToken => true,
            Self::Code
            | Self::Interaction
            | Self::AccessToken
            | Self::Assertion
            | Self::Counter
            | Self::Idempotency
            | Self::Pulse => false,
        }
    }
}

/// Why an operation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store cannot be reached or did not answer in time. A write may or may not have
    /// happened; whoever guards something with it must refuse (503), never assume.
    #[error("the state store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The record is not what was written. Its content is not repeated: it may be secret.
    #[error("a record of the state store cannot be read")]
    Corrupt,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KINDS: [Kind; 10] = [
        Kind::Code,
        Kind::Interaction,
        Kind::Session,
        Kind::RefreshFamily,
        Kind::AccessToken,
        Kind::RevokedToken,
        Kind::Assertion,
        Kind::Counter,
        Kind::Idempotency,
        Kind::Pulse,
    ];

    #[test]
    fn every_kind_is_a_namespace_of_its_own() {
        let prefixes: HashSet<_> = KINDS.iter().map(|kind| kind.prefix()).collect();
        assert_eq!(prefixes.len(), KINDS.len());
        assert!(prefixes.iter().all(|prefix| {
            !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
        }));
    }

    #[test]
    fn a_key_does_not_contain_its_identifier() {
        let key = StateKey::new(Kind::Code, "SplxlOBeZQQYbYS6WxSbIA");
        assert!(!format!("{key:?}").contains("SplxlOBeZQQYbYS6WxSbIA"));
        assert_ne!(key, StateKey::new(Kind::Code, "SplxlOBeZQQYbYS6WxSbIB"));
        assert_ne!(
            key,
            StateKey::new(Kind::RefreshFamily, "SplxlOBeZQQYbYS6WxSbIA")
        );
    }
}
