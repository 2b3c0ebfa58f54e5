//! The server's keys in memory: an immutable snapshot that requests share, replaced as a whole when
//! the database has something new.

use std::{
    borrow::Borrow,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use super::{
    decrypt::Encrypted,
    encrypt::{Content, encrypt},
    sign::{sealed_by_secret, unsecured},
    vault::{KeyError, KeyVault, PrivateKey},
    verify::{self, Compact},
};
use crate::{
    application::ports::{
        Clock, Document, InvalidToken, KeysOfClient, Protection, Rng, SignError, Store, TokenSigner,
    },
    domain::{
        algorithm::{Encryption, SigningAlgorithm, TokenAlgorithm},
        key::ServerKey,
        time::Timestamp,
    },
    infrastructure::kek::Kek,
    protocol::jwks::{KeyPolicy, Phase, phase, signing},
    telemetry,
};

/// How often the keys are read again.
const PERIOD: Duration = Duration::from_mins(1);
/// How long an unknown `kid` does not make anyone read them once more.
const REST: Duration = Duration::from_secs(5);

/// The signing keys of this process.
pub struct KeyRing {
    vault: KeyVault,
    snapshot: RwLock<Arc<Snapshot>>,
    /// When the keys were read last. Held while they are read, so that only one reads.
    read_at: Mutex<Timestamp>,
}

struct Snapshot {
    keys: Vec<OpenKey>,
    document: Arc<Document>,
}

struct OpenKey {
    record: ServerKey,
    key: Arc<PrivateKey>,
}

impl Borrow<ServerKey> for OpenKey {
    fn borrow(&self) -> &ServerKey {
        &self.record
    }
}

impl KeyRing {
    /// Opens the keys, and makes those that are missing.
    pub async fn open(
        store: Arc<dyn Store>,
        kek: Arc<Kek>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        policy: KeyPolicy,
    ) -> Result<Self, KeyError> {
        Self::open_vault(KeyVault {
            store,
            kek,
            clock,
            rng,
            policy,
        })
        .await
    }

    /// As [`KeyRing::open`], of a vault that keys may have been imported to.
    pub async fn open_vault(vault: KeyVault) -> Result<Self, KeyError> {
        let read_at = vault.clock.now();
        let snapshot = Snapshot::new(vault.tend().await?, &[], &vault)?;
        Ok(Self {
            vault,
            snapshot: RwLock::new(Arc::new(snapshot)),
            read_at: Mutex::new(read_at),
        })
    }

    /// Reads the keys again, makes what is due and deletes what is dead.
    pub async fn refresh(&self) -> Result<(), KeyError> {
        let mut read_at = self.read_at.lock().await;
        self.read(&mut read_at).await
    }

    /// Refreshes every minute, and whenever they `changed`, until `stop`. Without the database the known
    /// keys go on.
    pub async fn keep_fresh(&self, changed: &Notify, stop: CancellationToken) {
        let due = || async {
            // Too late is as good as told.
            let _ = tokio::time::timeout(PERIOD, changed.notified()).await;
        };
        while stop.run_until_cancelled(due()).await.is_some() {
            if let Err(error) = self.refresh().await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "signing keys not read"
                );
            }
        }
    }

    /// Makes the next key of every algorithm, as [`KeyVault::rotate_now`], and shows it.
    pub async fn rotate_now(&self) -> Result<(), KeyError> {
        self.vault.rotate_now().await?;
        self.refresh().await
    }

    /// Takes a key in, as [`KeyVault::import`], and shows it.
    pub async fn import(&self, text: &str) -> Result<String, KeyError> {
        let kid = self.vault.import(text).await?;
        self.refresh().await?;
        Ok(kid)
    }

    /// The keys with their times, newest first for each algorithm.
    pub fn keys(&self) -> Vec<ServerKey> {
        let snapshot = self.snapshot();
        snapshot.keys.iter().map(|key| key.record.clone()).collect()
    }

    async fn read(&self, read_at: &mut Timestamp) -> Result<(), KeyError> {
        *read_at = self.vault.clock.now();
        let keys = self.vault.tend().await?;
        let snapshot = Arc::new(Snapshot::new(keys, &self.snapshot().keys, &self.vault)?);
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let snapshot = self.snapshot.read();
        Arc::clone(&snapshot.unwrap_or_else(PoisonError::into_inner))
    }

    /// The key of this name, also if it is as new as can be.
    async fn key(&self, kid: &str) -> Option<Arc<PrivateKey>> {
        let known = |ring: &Self| ring.snapshot().named(kid, ring.vault.clock.now());
        if let Some(key) = known(self) {
            return Some(key);
        }
        let mut read_at = self.read_at.lock().await;
        let now = self.vault.clock.now();
        // A clock that was set back says nothing about how long ago that was.
        let rested = now < *read_at || now.since(*read_at) >= REST;
        if rested && let Err(error) = self.read(&mut read_at).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "signing keys not read"
            );
        }
        known(self)
    }
}

#[async_trait]
impl TokenSigner for KeyRing {
    fn sign(
        &self,
        typ: &'static str,
        algorithm: SigningAlgorithm,
        claims: &[u8],
    ) -> Result<String, SignError> {
        let snapshot = self.snapshot();
        let key = signing(&snapshot.keys, algorithm.into(), self.vault.clock.now());
        let Some(PrivateKey::Signing(key)) = key.map(|key| &*key.key) else {
            return Err(SignError::NoKey(algorithm));
        };
        let span = telemetry::span("sign", algorithm.as_str());
        let token = key.token(typ, claims);
        span.end(&token);
        token
    }

    async fn verify(
        &self,
        typ: &'static str,
        token: &str,
    ) -> Result<Map<String, Value>, InvalidToken> {
        let token = Compact::parse(token)?;
        if !token.is(typ) {
            return Err(InvalidToken);
        }
        let kid = token.kid().ok_or(InvalidToken)?;
        match &*self.key(kid).await.ok_or(InvalidToken)? {
            PrivateKey::Signing(key) => key.claims(&token),
            PrivateKey::Decryption(_) => Err(InvalidToken),
        }
    }

    fn protect(
        &self,
        typ: &'static str,
        claims: &[u8],
        protection: &Protection<'_>,
    ) -> Result<String, SignError> {
        let token = match protection.algorithm {
            Some(TokenAlgorithm::Signature(algorithm)) => Some(self.sign(typ, algorithm, claims)?),
            Some(TokenAlgorithm::Mac(algorithm)) => {
                let secret = protection.secret.ok_or(SignError::NoSecret)?;
                let token = sealed_by_secret(typ, claims, algorithm, secret);
                Some(token.ok_or(SignError::Failed)?)
            }
            Some(TokenAlgorithm::None) => Some(unsecured(typ, claims)),
            None => None,
        };
        match (protection.encryption, token) {
            (None, token) => token.ok_or(SignError::Failed),
            (Some((encryption, jwks)), token) => {
                let content = token
                    .as_deref()
                    .map_or(Content::Claims(claims), Content::Token);
                encrypt(content, encryption, jwks).ok_or(SignError::NoClientKey)
            }
        }
    }

    async fn decrypt(
        &self,
        token: &str,
        expected: Option<Encryption>,
    ) -> Result<String, InvalidToken> {
        let token = Encrypted::parse(token)?;
        if expected.is_some_and(|expected| expected != token.encryption) {
            return Err(InvalidToken);
        }
        let rng = &*self.vault.rng;
        if let Some(kid) = token.kid() {
            return match &*self.key(kid).await.ok_or(InvalidToken)? {
                PrivateKey::Decryption(key) => key.decrypt(&token, rng),
                PrivateKey::Signing(_) => Err(InvalidToken),
            };
        }
        let snapshot = self.snapshot();
        let now = self.vault.clock.now();
        let mut keys = snapshot.keys.iter().filter_map(|key| match &*key.key {
            PrivateKey::Decryption(open) if phase(&key.record, now) != Phase::Dead => Some(open),
            PrivateKey::Decryption(_) | PrivateKey::Signing(_) => None,
        });
        keys.find_map(|key| key.decrypt(&token, rng).ok())
            .ok_or(InvalidToken)
    }

    fn verify_assertion(
        &self,
        assertion: &str,
        keys: KeysOfClient<'_>,
        algorithm: Option<TokenAlgorithm>,
    ) -> Result<Map<String, Value>, InvalidToken> {
        verify::verify_assertion(assertion, keys, algorithm)
    }

    fn verify_request_object(
        &self,
        object: &str,
        keys: KeysOfClient<'_>,
        algorithm: Option<TokenAlgorithm>,
    ) -> Result<Map<String, Value>, InvalidToken> {
        verify::verify_request_object(object, keys, algorithm)
    }

    fn verify_own(
        &self,
        typ: &'static str,
        token: &str,
        keys: KeysOfClient<'_>,
        algorithm: TokenAlgorithm,
    ) -> Result<Map<String, Value>, InvalidToken> {
        verify::verify_own(typ, token, keys, algorithm)
    }

    async fn rotate(&self) -> Result<(), SignError> {
        self.rotate_now().await.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the keys could not be rotated"
            );
            SignError::Failed
        })
    }

    async fn reread(&self) -> Result<(), SignError> {
        self.refresh().await.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the keys could not be read again"
            );
            SignError::Failed
        })
    }

    fn jwks(&self) -> Arc<Document> {
        Arc::clone(&self.snapshot().document)
    }
}

impl Snapshot {
    /// Opens what `known` does not hold yet: parsing a key is slower than signing with it.
    fn new(
        mut records: Vec<ServerKey>,
        known: &[OpenKey],
        vault: &KeyVault,
    ) -> Result<Self, KeyError> {
        records.sort_by_key(|key| (key.algorithm, std::cmp::Reverse(key.generation)));
        let document = Arc::new(document(&records, vault.clock.now()));
        let keys = records.into_iter().map(|record| {
            let same = known.iter().find(|key| key.record.kid == record.kid);
            let key = match same {
                Some(open) => Arc::clone(&open.key),
                None => Arc::new(vault.open(&record)?),
            };
            Ok(OpenKey { record, key })
        });
        Ok(Self {
            keys: keys.collect::<Result<_, KeyError>>()?,
            document,
        })
    }

    fn named(&self, kid: &str, now: Timestamp) -> Option<Arc<PrivateKey>> {
        self.keys
            .iter()
            .find(|key| key.record.kid == kid && phase(&key.record, now) != Phase::Dead)
            .map(|key| Arc::clone(&key.key))
    }
}

/// What is not dead, whether its time has come by this clock or not.
fn document(keys: &[ServerKey], now: Timestamp) -> Document {
    let keys: Vec<_> = keys
        .iter()
        .filter(|key| phase(key, now) != Phase::Dead)
        .map(|key| &key.public_jwk)
        .collect();
    Document::of(json!({ "keys": keys }).to_string())
}
