//! Which browser origins belong to active clients.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use url::Url;

use crate::{
    application::ports::{Clock, Page, Store, StoreError},
    domain::{
        client::{Client, ClientKind},
        time::Timestamp,
    },
};

/// How long a list is believed when it has the origin: a client switched off stays at most that long.
const HIT: Duration = Duration::from_secs(5);
/// How long a list is believed when it lacks the origin: a new client waits at most that long, and
/// strangers cannot make us read more often.
const MISS: Duration = Duration::from_secs(1);
/// Clients read at once.
const PAGE: u64 = 500;

/// The origins of all active clients, read again when they are asked for and no longer fresh.
pub struct ClientOrigins {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    origins: HashSet<String>,
    read_at: Option<Timestamp>,
}

impl ClientOrigins {
    /// Reads nothing yet.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            known: RwLock::default(),
        }
    }

    /// Whether an active client has this origin: registered as one, or in a redirection URI of a
    /// script in the browser. While the database is away, what was known last.
    pub async fn contains(&self, origin: &str) -> bool {
        let is_known = self.knows(origin);
        if !self.is_younger(if is_known { HIT } else { MISS }) {
            match self.read().await {
                Ok(origins) => self.replace(origins),
                Err(error) => tracing::warn!(%error, "the origins of clients cannot be read"),
            }
        }
        self.knows(origin)
    }

    fn knows(&self, origin: &str) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.origins.contains(origin)
    }

    fn is_younger(&self, age: Duration) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .read_at
            .is_some_and(|at| self.clock.now().since(at) < age)
    }

    fn replace(&self, origins: HashSet<String>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known {
            origins,
            read_at: Some(self.clock.now()),
        };
    }

    async fn read(&self) -> Result<HashSet<String>, StoreError> {
        let mut origins = HashSet::new();
        let mut after = None;
        loop {
            let page = Page { after, limit: PAGE };
            let clients = self.store.reader().clients(&page).await?;
            let Some(last) = clients.last() else {
                return Ok(origins);
            };
            after = Some(last.id.as_str().to_owned());
            origins.extend(
                clients
                    .iter()
                    .filter(|c| c.is_active())
                    .flat_map(origins_of),
            );
        }
    }
}

/// Whether a script from this origin may be one of the client's.
pub fn belongs_to(client: &Client, origin: &str) -> bool {
    origins_of(client).iter().any(|own| own == origin)
}

fn origins_of(client: &Client) -> Vec<String> {
    let registered = client.allowed_origins.iter().cloned();
    match client.kind {
        ClientKind::Spa => {
            let redirects = client.redirect_uris.iter();
            let urls = redirects.filter_map(|uri| Url::parse(uri.as_str()).ok());
            let origins = urls.map(|url| url.origin().ascii_serialization());
            registered.chain(origins.filter(|o| o != "null")).collect()
        }
        ClientKind::Web | ClientKind::Native | ClientKind::Service => registered.collect(),
    }
}
