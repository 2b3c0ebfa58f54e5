//! The server's keys in the database: made when due, sealed, announced, deleted when dead.
//!
//! Nodes do not talk to each other about it. Whoever notices first that a key is due makes one; the
//! database takes the first of each generation and the others use that one.

use std::sync::Arc;

use super::{
    decrypt::DecryptionKey,
    sign::{Der, KeyPairInUse, TokenKey, generate, import},
};
use crate::{
    application::ports::{Clock, Rng, Store, StoreError},
    domain::{algorithm::KeyAlgorithm, key::ServerKey, time::Timestamp},
    infrastructure::kek::{Kek, Place},
    protocol::jwks::{KeyPolicy, Succession, Trigger, is_forgotten, succession},
};

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database did not do what was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key was sealed under another key-encryption key, or changed.
    #[error(
        "signing key {0} cannot be opened: the key-encryption key is not the one that it was sealed with"
    )]
    Sealed(String),
    /// No key could be made.
    #[error("no {0} key could be made")]
    Generation(KeyAlgorithm),
    /// What was to be imported is of no use.
    #[error(
        "not a private key in PEM or JWK format: RSA of 2048 to 4096 bits, EC on P-256, P-384 or P-521, or Ed25519"
    )]
    Unusable,
    /// The next key is there already.
    #[error("the next {0} key waits already; try again once it signs")]
    Waiting(KeyAlgorithm),
    /// The key's name cannot be used.
    #[error("the key's kid must be 1 to 128 letters, digits or -._~:=+/@")]
    Name,
}

/// How often the keys are looked at again while others retire them.
const ROUNDS: u32 = 5;

/// The signing keys in the database.
#[derive(Clone)]
pub struct KeyVault {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// What they are sealed under.
    pub kek: Arc<Kek>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// When keys change.
    pub policy: KeyPolicy,
}

/// A private key, parsed.
pub(super) enum PrivateKey {
    /// It makes tokens.
    Signing(TokenKey),
    /// It reads what was encrypted to it.
    Decryption(DecryptionKey),
}

/// What is to become of a new key.
struct Candidate {
    algorithm: KeyAlgorithm,
    kid: String,
    der: Der,
    public_jwk: serde_json::Value,
}

impl KeyVault {
    /// Takes a private key in from elsewhere, PEM or JWK, and returns its `kid`. It becomes the next
    /// key of its algorithm, at once if there is none. A key that is there already stays as it is.
    pub async fn import(&self, text: &str) -> Result<String, KeyError> {
        let key = import(text).ok_or(KeyError::Unusable)?;
        let candidate = candidate(key.algorithm, key.der, key.kid).ok_or(KeyError::Unusable)?;
        if !is_usable_name(&candidate.kid) {
            return Err(KeyError::Name);
        }
        let kid = candidate.kid.clone();
        let keys = self.store.reader().signing_keys().await?;
        if keys.iter().any(|key| key.kid == kid) || self.add(&candidate, Trigger::Asked).await? {
            Ok(kid)
        } else {
            Err(KeyError::Waiting(candidate.algorithm))
        }
    }

    /// Makes the next key of every algorithm now, unless one waits already. It signs after it was
    /// published for as long as the policy says.
    pub async fn rotate_now(&self) -> Result<(), KeyError> {
        let keys = self.store.reader().signing_keys().await?;
        self.make_missing(&keys, Trigger::Asked).await
    }

    /// Makes what is due, deletes what has been dead for long, and returns the rest.
    pub async fn tend(&self) -> Result<Vec<ServerKey>, KeyError> {
        let mut keys = self.store.reader().signing_keys().await?;
        for _ in 0..ROUNDS {
            self.make_missing(&keys, Trigger::Due).await?;
            self.delete_forgotten(&keys).await?;
            keys = self.store.reader().signing_keys().await?;
            // Somebody may have retired one meanwhile.
            if !self.lacks_any(&keys) {
                break;
            }
        }
        let now = self.clock.now();
        keys.retain(|key| !is_forgotten(key, now));
        Ok(keys)
    }

    fn lacks_any(&self, keys: &[ServerKey]) -> bool {
        let mut algorithms = self.policy.algorithms.iter();
        algorithms.any(|algorithm| self.next(keys, *algorithm, Trigger::Due).is_some())
    }

    /// The key, unsealed and parsed.
    pub(super) fn open(&self, key: &ServerKey) -> Result<PrivateKey, KeyError> {
        let sealed = || KeyError::Sealed(key.kid.clone());
        let der = self.kek.open(&place(&key.kid), &key.sealed_private);
        let der = der.map_err(|_| sealed())?;
        Ok(match key.algorithm {
            KeyAlgorithm::Signing(algorithm) => {
                let pair = KeyPairInUse::open(algorithm, &der).ok_or_else(sealed)?;
                PrivateKey::Signing(TokenKey::new(pair, &key.kid))
            }
            KeyAlgorithm::Encryption(kind) => {
                PrivateKey::Decryption(DecryptionKey::open(kind, &der).ok_or_else(sealed)?)
            }
        })
    }

    async fn make_missing(&self, keys: &[ServerKey], trigger: Trigger) -> Result<(), KeyError> {
        for algorithm in &self.policy.algorithms {
            if self.next(keys, *algorithm, trigger).is_some() {
                let candidate = self.make(*algorithm).await?;
                self.add(&candidate, trigger).await?;
            }
        }
        Ok(())
    }

    async fn make(&self, algorithm: KeyAlgorithm) -> Result<Candidate, KeyError> {
        let rng = Arc::clone(&self.rng);
        let made = tokio::task::spawn_blocking(move || {
            candidate(algorithm, generate(algorithm, &*rng)?, None)
        });
        let made = made.await.ok().flatten();
        made.ok_or(KeyError::Generation(algorithm))
    }

    async fn delete_forgotten(&self, keys: &[ServerKey]) -> Result<(), KeyError> {
        let now = self.clock.now();
        let forgotten: Vec<_> = keys.iter().filter(|key| is_forgotten(key, now)).collect();
        if forgotten.is_empty() {
            return Ok(());
        }
        let work = self.store.begin().await?;
        for key in forgotten {
            work.delete_signing_key(&key.kid).await?;
        }
        Ok(work.commit().await?)
    }

    /// Adds a key if one is still wanted and no other node was first; says whether it did.
    async fn add(&self, candidate: &Candidate, trigger: Trigger) -> Result<bool, KeyError> {
        let work = self.store.begin().await?;
        // A key that is retired at this moment is no predecessor.
        work.alone().await?;
        let keys = work.signing_keys().await?;
        let Some(next) = self.next(&keys, candidate.algorithm, trigger) else {
            return Ok(false);
        };
        if !work.add_signing_key(&self.seal(candidate, &next)).await? {
            return Ok(false);
        }
        if let Some(predecessor) = &next.predecessor {
            work.set_signing_key_times(predecessor).await?;
        }
        work.commit().await?;
        Ok(true)
    }

    fn next(
        &self,
        keys: &[ServerKey],
        algorithm: KeyAlgorithm,
        trigger: Trigger,
    ) -> Option<Succession> {
        let now: Timestamp = self.clock.now();
        succession(keys, algorithm, &self.policy, (now, trigger))
    }

    fn seal(&self, candidate: &Candidate, next: &Succession) -> ServerKey {
        let place = place(&candidate.kid);
        ServerKey {
            kid: candidate.kid.clone(),
            algorithm: candidate.algorithm,
            generation: next.generation,
            sealed_private: self.kek.seal(&*self.rng, &place, &candidate.der),
            public_jwk: candidate.public_jwk.clone(),
            published_at: next.published_at,
            active_at: next.active_at,
            retires_at: next.retires_at,
            dead_at: next.dead_at,
        }
    }
}

/// Names the key, by its thumbprint (RFC 7638) if it has no name, and proves that it works.
fn candidate(algorithm: KeyAlgorithm, der: Der, kid: Option<String>) -> Option<Candidate> {
    let public = match algorithm {
        KeyAlgorithm::Signing(algorithm) => KeyPairInUse::open(algorithm, &der)?.public().clone(),
        KeyAlgorithm::Encryption(key) => DecryptionKey::open(key, &der)?.public().clone(),
    };
    let kid = kid.unwrap_or_else(|| public.thumbprint());
    Some(Candidate {
        algorithm,
        public_jwk: public.to_jwk(&kid, algorithm),
        kid,
        der,
    })
}

fn is_usable_name(kid: &str) -> bool {
    let is_usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:=+/@".contains(&byte);
    (1..=128).contains(&kid.len()) && kid.bytes().all(is_usable)
}

/// Whether this key-encryption key opens a signing key.
pub fn opens(kek: &Kek, key: &ServerKey) -> bool {
    kek.open(&place(&key.kid), &key.sealed_private).is_ok()
}

fn place(kid: &str) -> Place<'_> {
    Place {
        table: "signing_keys",
        column: "sealed_private",
        row: kid,
    }
}
