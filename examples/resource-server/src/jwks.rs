//! The provider's published keys (RFC 7517), cached as long as the provider says.
//!
//! A key that is not in the cache may be a new one: the set is fetched again, but not more often than
//! every few seconds, so that forged key ids cannot turn this server against its provider.

use std::{collections::HashMap, time::Duration};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use reqwest::header::{CACHE_CONTROL, HeaderMap};
use serde::Deserialize;
use tokio::{
    sync::{Mutex, RwLock},
    time::Instant,
};

use crate::{refusal::Refusal, token::ALGORITHMS};

/// How long a set is fresh when the provider does not say, and the longest it may ask for.
const DEFAULT_AGE: Duration = Duration::from_mins(5);
const MAX_AGE: Duration = Duration::from_hours(1);
/// While the provider is down, keys stay in use this long after they were last fetched.
const OUTAGE: Duration = Duration::from_hours(1);

/// A public key with the one algorithm it may verify.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
}

/// The keys of one provider.
pub(crate) struct Jwks {
    issuer: String,
    http: reqwest::Client,
    min_interval: Duration,
    cache: RwLock<Cache>,
    /// When the last fetch began. Locked during a fetch: whoever else wants one waits for its outcome,
    /// while requests with known keys go on.
    last_attempt: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<String, Key>,
    fetched: Option<Fetched>,
}

#[derive(Clone, Copy)]
struct Fetched {
    at: Instant,
    age: Duration,
}

impl Jwks {
    /// Nothing is fetched yet: provider and resource server may start in any order.
    /// Two fetches will be at least `min_interval` apart.
    pub(crate) fn new(issuer: String, min_interval: Duration) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            issuer,
            http,
            min_interval,
            cache: RwLock::default(),
            last_attempt: Mutex::default(),
        })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key with this id, `None` if the provider does not publish one.
    pub(crate) async fn key(&self, kid: &str) -> Result<Option<Key>, Refusal> {
        if let Some(key) = self.cache.read().await.fresh(kid) {
            return Ok(Some(key));
        }
        self.refresh(kid).await;
        let cache = self.cache.read().await;
        if cache.is_usable() {
            Ok(cache.keys.get(kid).cloned())
        } else {
            Err(Refusal::NoKeys)
        }
    }

    async fn refresh(&self, kid: &str) {
        let mut last_attempt = self.last_attempt.lock().await;
        let too_soon = last_attempt.is_some_and(|last| last.elapsed() < self.min_interval);
        if too_soon || self.cache.read().await.fresh(kid).is_some() {
            return;
        }
        *last_attempt = Some(Instant::now());
        match self.fetch().await {
            Ok((keys, age)) => {
                let fetched = Some(Fetched {
                    at: Instant::now(),
                    age,
                });
                *self.cache.write().await = Cache { keys, fetched };
            }
            Err(error) => eprintln!("cannot fetch the keys of {}: {error}", self.issuer),
        }
    }

    async fn fetch(&self) -> Result<(HashMap<String, Key>, Duration), FetchError> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let metadata: Metadata = self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        if metadata.issuer != self.issuer {
            return Err(FetchError::Issuer); // OpenID Connect Discovery §4.3
        }
        let response = self
            .http
            .get(metadata.jwks_uri)
            .send()
            .await?
            .error_for_status()?;
        let age = max_age(response.headers());
        let set: JwkSet = response.json().await?;
        Ok((set.keys.iter().filter_map(usable).collect(), age))
    }
}

impl Cache {
    /// A key that needs no look at the provider.
    fn fresh(&self, kid: &str) -> Option<Key> {
        let fetched = self.fetched?;
        if fetched.at.elapsed() < fetched.age {
            self.keys.get(kid).cloned()
        } else {
            None
        }
    }

    fn is_usable(&self) -> bool {
        self.fetched
            .is_some_and(|fetched| fetched.at.elapsed() < fetched.age.max(OUTAGE))
    }
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the metadata names another issuer")]
    Issuer,
}

/// Keys for encryption, for algorithms this API does not accept, or without an id are left out.
fn usable(jwk: &Jwk) -> Option<(String, Key)> {
    let kid = jwk.common.key_id.clone()?;
    if jwk
        .common
        .public_key_use
        .as_ref()
        .is_some_and(|wanted| *wanted != PublicKeyUse::Signature)
    {
        return None;
    }
    let algorithm = algorithm(jwk.common.key_algorithm?)?;
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    Some((
        kid,
        Key {
            algorithm,
            decoding,
        },
    ))
}

fn algorithm(name: KeyAlgorithm) -> Option<Algorithm> {
    let algorithm = name.to_string().parse().ok()?;
    ALGORITHMS.contains(&algorithm).then_some(algorithm)
}

/// `max-age` of `Cache-Control` (RFC 9111 §5.2.2.1).
fn max_age(headers: &HeaderMap) -> Duration {
    headers
        .get(CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            value
                .split(',')
                .find_map(|directive| directive.trim().strip_prefix("max-age="))
        })
        .and_then(|seconds| seconds.parse().ok())
        .map_or(DEFAULT_AGE, |seconds| {
            Duration::from_secs(seconds).min(MAX_AGE)
        })
}
