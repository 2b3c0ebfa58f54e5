//! Copies of what the database holds: bounded, loaded once however many ask, and never put in place
//! of something that changed while it was read.

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::sync::Cache;
use tokio::sync::Notify;

use crate::{
    application::ports::{Change, StoreError},
    domain::{
        client::Client,
        consent::Consent,
        id::{ClientId, UserId},
        resource::ResourceServer,
        role::Authority,
        user::User,
    },
    metrics::{self, Lookup, Tally},
};

/// Copies at most, of each kind: a client is some two kilobytes, a user one.
const CLIENTS: usize = 8_192;
const USERS: usize = 8_192;
const RESOURCES: usize = 1_024;

/// Copies of one kind of record.
pub(super) struct Copies<K, V> {
    hits: Tally,
    misses: Tally,
    cache: Cache<K, V>,
}

impl<K: Eq + Hash + Clone, V: Clone> Copies<K, V> {
    fn new(name: &'static str, limit: usize) -> Self {
        Self {
            hits: metrics::copies(name, Lookup::Hit),
            misses: metrics::copies(name, Lookup::Miss),
            cache: Cache::new(limit),
        }
    }

    /// The copy of `key`, or what `load` finds. Of several that ask at once one loads. Nothing is
    /// kept of what is not there, or of what changed meanwhile.
    pub(super) async fn get_or_load(
        &self,
        key: &K,
        generation: &AtomicU64,
        load: impl Future<Output = Result<Option<V>, StoreError>>,
    ) -> Result<Option<V>, StoreError> {
        let placeholder = match self.cache.get_value_or_guard_async(key).await {
            Ok(copy) => {
                self.hits.count();
                return Ok(Some(copy));
            }
            Err(placeholder) => placeholder,
        };
        self.misses.count();
        let before = generation.load(Ordering::Acquire);
        let loaded = load.await?;
        if let Some(loaded) = &loaded
            && generation.load(Ordering::Acquire) == before
        {
            // Refused if the place was given up meanwhile.
            let _ = placeholder.insert(loaded.clone());
        }
        Ok(loaded)
    }
}

/// All copies of a node.
pub(super) struct AllCopies {
    pub(super) clients: Copies<ClientId, Arc<Client>>,
    pub(super) resources: Copies<String, Arc<ResourceServer>>,
    pub(super) users: Copies<UserId, Arc<User>>,
    pub(super) authorities: Copies<UserId, Arc<Authority>>,
    pub(super) consents: Copies<(UserId, ClientId), Arc<Consent>>,
    /// Is told when the signing keys may be others: they are no copies of ours.
    pub(super) keys: Arc<Notify>,
    /// Counts what was thrown away: a copy is kept only if nothing was while it was loaded.
    pub(super) generation: AtomicU64,
}

impl AllCopies {
    pub(super) fn new() -> Self {
        Self {
            clients: Copies::new("client", CLIENTS),
            resources: Copies::new("resource", RESOURCES),
            users: Copies::new("user", USERS),
            authorities: Copies::new("authority", USERS),
            consents: Copies::new("consent", USERS),
            keys: Arc::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Throws away what `change` made stale.
    pub(super) fn forget(&self, change: &Change) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        match change {
            Change::Client(id) => {
                self.clients.cache.remove(id);
            }
            Change::Resource(identifier) => {
                self.resources.cache.remove(identifier);
            }
            Change::User(id) => {
                self.users.cache.remove(id);
            }
            Change::Authority(id) => {
                self.authorities.cache.remove(id);
            }
            Change::Authorities => self.authorities.cache.clear(),
            Change::Consent(user, client) => {
                self.consents.cache.remove(&(user.clone(), client.clone()));
            }
            Change::Keys => self.keys.notify_one(),
            Change::Unknown => self.forget_all(),
        }
    }

    /// Throws all copies away.
    pub(super) fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.keys.notify_one();
        self.clients.cache.clear();
        self.resources.cache.clear();
        self.users.cache.clear();
        self.authorities.cache.clear();
        self.consents.cache.clear();
    }
}
