//! The directory in memory: clients, resources, users, what they may do and what they allowed, read
//! from the database once and believed only as long as the state store says that nothing changed.
//!
//! **How a copy stays true.** Every change of the directory is numbered in SQL by the transaction that
//! makes it, and after the commit, before anybody is answered, the pulse takes another turn. A
//! request reads the pulse in the round trip that brings its own records, so it sees every change that
//! was answered before it began, on whatever node. Copies can only be reached through the [`Sight`]
//! that this reading yields. What changes without the state store at hand (the command line) is found
//! by a look at the numbers twice a second.
//!
//! **What a lost store cannot undo.** What ends something is durable in SQL; the state store only saves
//! the question. The pulse names the epoch of the store's unbroken memory, and whatever is made carries
//! the name: for what was made in another epoch, the database is asked, once per node
//! ([`Sight::has_ended`]).

mod copies;
mod pulse;

use std::{
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use self::{
    copies::AllCopies,
    pulse::{Heart, Pulse},
};
use super::{
    Failure,
    ports::{
        Announcer, Clock, Rng, Store, StoreError,
        state::{StateKey, StateStore},
    },
};
use crate::domain::{
    client::Client,
    consent::Consent,
    id::{ClientId, GrantId, UserId},
    resource::ResourceServer,
    role::Authority,
    user::User,
};

/// How often the numbers of the changes are looked at: what the command line changes is seen by then.
const POLL: Duration = Duration::from_millis(500);
/// After how many looks all copies are thrown away, for the sake of what was changed behind our back:
/// once a minute.
const REFRESH: u32 = 120;
/// Changes read at once.
const PAGE: u64 = 512;
/// Things of an earlier epoch of which the database said that they still stand.
const CLEARED: usize = 16_384;

/// What a node knows of the directory.
pub struct Directory {
    store: Arc<dyn Store>,
    state: Arc<dyn StateStore>,
    heart: Heart,
    copies: AllCopies,
    cleared: Cache<(Arc<str>, StateKey), ()>,
    known: RwLock<Arc<Known>>,
    /// The number of the last change that was heeded. Held while changes are read.
    heeded: Mutex<Option<i64>>,
    /// Whether a turn could not be announced.
    unannounced: std::sync::atomic::AtomicBool,
}

/// The pulse that the copies are true to.
#[derive(Default)]
struct Known {
    bytes: Vec<u8>,
    incarnation: Arc<str>,
    epoch: Arc<str>,
}

impl Directory {
    /// Knows nothing yet.
    pub fn new(
        store: Arc<dyn Store>,
        state: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        Self {
            heart: Heart::new(state.clone(), clock, rng),
            store,
            state,
            copies: AllCopies::new(),
            cleared: Cache::new(CLEARED),
            known: RwLock::default(),
            heeded: Mutex::default(),
            unannounced: false.into(),
        }
    }

    /// Reads these records together with the pulse, in one round trip. What the directory says from
    /// then on is as of this moment or later.
    pub async fn look(
        &self,
        keys: &[StateKey],
    ) -> Result<(Vec<Option<Vec<u8>>>, Sight<'_>), Failure> {
        let mut all = Vec::with_capacity(keys.len() + 1);
        all.push(self.heart.key);
        all.extend_from_slice(keys);
        let mut found = self.state.get_many(&all).await?.into_iter();
        let pulse = found.next().flatten();
        let sight = self.heed(pulse).await?;
        Ok((found.collect(), sight))
    }

    /// The sight that goes with this pulse, after the copies were brought up to it.
    async fn heed(&self, pulse: Option<Vec<u8>>) -> Result<Sight<'_>, Failure> {
        let known = self.known();
        if let Some(pulse) = &pulse
            && *pulse == known.bytes
            && known.incarnation == self.heart.incarnation().await?
        {
            return Ok(Sight {
                directory: self,
                known,
            });
        }
        let mut heeded = self.heeded.lock().await;
        let (bytes, pulse) = self.heart.confirm(pulse).await?;
        self.read_changes(&mut heeded).await?;
        let known = Arc::new(Known::of(bytes, &pulse, self.heart.incarnation().await?));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known.clone();
        Ok(Sight {
            directory: self,
            known,
        })
    }

    /// Is told when the signing keys may be others than before.
    pub fn keys_changed(&self) -> Arc<Notify> {
        self.copies.keys.clone()
    }

    fn known(&self) -> Arc<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known)
    }

    /// Throws away what changed since the last time.
    async fn read_changes(&self, heeded: &mut Option<i64>) -> Result<(), StoreError> {
        let reader = self.store.reader();
        let Some(mut last) = *heeded else {
            *heeded = Some(reader.latest_change().await?);
            self.copies.forget_all();
            return Ok(());
        };
        loop {
            let changes = reader.changes_from(last, PAGE).await?;
            let read = changes.len();
            let is_gapless = last == 0 || changes.first().is_some_and(|first| first.seq == last);
            if !is_gapless {
                self.copies.forget_all();
            }
            for change in changes.iter().filter(|change| change.seq > last) {
                self.copies.forget(&change.change);
            }
            if let Some(newest) = changes.last() {
                last = newest.seq.max(last);
            }
            *heeded = Some(last);
            if u64::try_from(read).unwrap_or(0) < PAGE {
                return Ok(());
            }
        }
    }

    /// Looks for changes that nobody announced, until `stop`.
    pub async fn follow(&self, stop: CancellationToken) {
        let mut polls: u32 = 0;
        while stop
            .run_until_cancelled(tokio::time::sleep(POLL))
            .await
            .is_some()
        {
            polls = polls.wrapping_add(1);
            if let Err(error) = self.poll().await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the changes of the directory could not be read"
                );
            }
            if polls.is_multiple_of(REFRESH) {
                self.copies.forget_all();
            }
        }
    }

    async fn poll(&self) -> Result<(), Failure> {
        if self.unannounced.load(Ordering::Acquire) {
            self.heart.beat().await?;
            self.unannounced.store(false, Ordering::Release);
        }
        let mut heeded = self.heeded.lock().await;
        if heeded.is_some() {
            self.read_changes(&mut heeded).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Announcer for Directory {
    async fn announce(&self) {
        if let Err(error) = self.heart.beat().await {
            self.unannounced.store(true, Ordering::Release);
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "other nodes could not be told of a change; they will find it by themselves"
            );
        }
    }
}

impl Known {
    fn of(bytes: Vec<u8>, pulse: &Pulse, incarnation: Arc<str>) -> Self {
        Self {
            bytes,
            incarnation,
            epoch: pulse.epoch.as_str().into(),
        }
    }
}

/// The directory as one request sees it: at least as new as the moment in which its records were
/// read.
#[derive(Clone)]
pub struct Sight<'a> {
    directory: &'a Directory,
    known: Arc<Known>,
}

impl Sight<'_> {
    /// The client with this identifier.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        let Directory { copies, store, .. } = self.directory;
        let load = async { Ok(store.reader().client(id).await?.map(Arc::new)) };
        copies
            .clients
            .get_or_load(id, &copies.generation, load)
            .await
    }

    /// The resource server with this indicator.
    pub async fn resource_server(
        &self,
        identifier: &str,
    ) -> Result<Option<Arc<ResourceServer>>, StoreError> {
        let Directory { copies, store, .. } = self.directory;
        let load = async {
            Ok(store
                .reader()
                .resource_server(identifier)
                .await?
                .map(Arc::new))
        };
        copies
            .resources
            .get_or_load(&identifier.to_owned(), &copies.generation, load)
            .await
    }

    /// The user with this identifier.
    pub async fn user(&self, id: &UserId) -> Result<Option<Arc<User>>, StoreError> {
        let Directory { copies, store, .. } = self.directory;
        let load = async { Ok(store.reader().user(id).await?.map(Arc::new)) };
        copies.users.get_or_load(id, &copies.generation, load).await
    }

    /// All that a user is allowed.
    pub async fn authority(&self, user: &UserId) -> Result<Arc<Authority>, StoreError> {
        let Directory { copies, store, .. } = self.directory;
        let load = async { Ok(Some(Arc::new(store.reader().authority(user).await?))) };
        let authority = copies
            .authorities
            .get_or_load(user, &copies.generation, load)
            .await?;
        Ok(authority.unwrap_or_default())
    }

    /// What a user allowed a client.
    pub async fn consent(
        &self,
        user: &UserId,
        client: &ClientId,
    ) -> Result<Option<Arc<Consent>>, StoreError> {
        let Directory { copies, store, .. } = self.directory;
        let load = async { Ok(store.reader().consent(user, client).await?.map(Arc::new)) };
        let key = (user.clone(), client.clone());
        copies
            .consents
            .get_or_load(&key, &copies.generation, load)
            .await
    }

    /// The present epoch of the state store's memory, for what is made now to carry.
    pub fn epoch(&self) -> &str {
        &self.known.epoch
    }

    /// Whether something made in the epoch `made_in` has been ended before its time. `marks` are its
    /// marks in the state store with what was read of them; one is enough. What is of another epoch
    /// than the present the store may have forgotten: the database is asked about the marks and about
    /// `grant`.
    pub async fn has_ended(
        &self,
        marks: &[(StateKey, bool)],
        grant: Option<&GrantId>,
        made_in: &str,
    ) -> Result<bool, StoreError> {
        if marks.iter().any(|(_, found)| *found) {
            return Ok(true);
        }
        if *made_in == *self.known.epoch {
            return Ok(false);
        }
        let cleared = &self.directory.cleared;
        let name = |key: &StateKey| (self.known.epoch.clone(), *key);
        if !marks.is_empty()
            && marks
                .iter()
                .all(|(key, _)| cleared.get(&name(key)).is_some())
        {
            return Ok(false);
        }
        let reader = self.directory.store.reader();
        if let Some(grant) = grant {
            let record = reader.grant(grant).await?;
            if record.is_none_or(|record| record.revoked_at.is_some()) {
                return Ok(true);
            }
        }
        let ids: Vec<String> = marks.iter().map(|(key, _)| revocation_id(key)).collect();
        if reader.is_any_revoked(&ids).await? {
            return Ok(true);
        }
        for (key, _) in marks {
            cleared.insert(name(key), ());
        }
        Ok(false)
    }
}

/// Under which name the database knows what this key marks as ended.
pub fn revocation_id(key: &StateKey) -> String {
    URL_SAFE_NO_PAD.encode(key.digest())
}
