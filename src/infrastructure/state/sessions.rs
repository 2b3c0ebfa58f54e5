//! Browser sessions of tower-sessions in the state store.
//!
//! tower-sessions writes a whole record after the handler, so of two tabs the later one wins: a
//! session may hold nothing but facts that any tab would write the same. What the store adds:
//! saving only updates, or a slow request would revive a session that a logout has removed in the
//! meantime; a new session never takes the place of another; neither the key nor the record tells
//! the id, so that a stolen copy of the store logs nobody in.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};

use crate::{
    application::{
        ports::{
            Clock,
            state::{Kind, StateError, StateKey, StateStore},
        },
        state::{add_record, get_record, read_record, replace_record},
    },
    domain::time::Timestamp,
};

/// Ids are 128 random bits: a second collision means that the generator is broken.
const IDS_TO_TRY: usize = 3;
/// How often saving starts again because another request saved the same session first. Each time
/// one of them is done, so this serves as many requests at once.
const SAVES_TO_TRY: usize = 64;

/// Sessions over any state store.
#[derive(Clone)]
pub struct StateSessions {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
}

impl StateSessions {
    /// Sessions that live in `store` until `clock` has reached their expiry.
    pub fn new(store: Arc<dyn StateStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    fn time_left(&self, expires_at: Timestamp) -> Duration {
        expires_at.since(self.clock.now())
    }
}

#[async_trait]
impl SessionStore for StateSessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let kept = Kept::of(record);
        let ttl = self.time_left(kept.expires_at);
        for _ in 0..IDS_TO_TRY {
            let added = add_record(&*self.store, &key(&record.id), &kept, ttl).await;
            if added.map_err(failure)? {
                return Ok(());
            }
            record.id = Id::default();
        }
        Err(Error::Backend("session ids collide".to_owned()))
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let (key, kept) = (key(&record.id), Kept::of(record));
        let ttl = self.time_left(kept.expires_at);
        for _ in 0..SAVES_TO_TRY {
            let current = read_record::<Kept>(&*self.store, &key).await;
            let Some(current) = current.map_err(failure)? else {
                tracing::debug!("a session that has ended meanwhile is not saved");
                return Ok(());
            };
            let replaced = replace_record(&*self.store, &key, &current, &kept, ttl).await;
            if replaced.map_err(failure)? {
                return Ok(());
            }
        }
        Err(Error::Backend(
            "too many requests save one session".to_owned(),
        ))
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let kept: Option<Kept> = get_record(&*self.store, &key(id)).await.map_err(failure)?;
        let now = self.clock.now();
        kept.filter(|kept| kept.expires_at > now)
            .map(|kept| kept.into_record(*id))
            .transpose()
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let deleted = self.store.delete(&key(id)).await;
        deleted.map(|_| ()).map_err(failure)
    }
}

impl fmt::Debug for StateSessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StateSessions")
    }
}

/// A session as it is stored: all but its id.
#[derive(Serialize, Deserialize)]
struct Kept {
    data: HashMap<String, serde_json::Value>,
    expires_at: Timestamp,
}

impl Kept {
    fn of(record: &Record) -> Self {
        Self {
            data: record.data.clone(),
            expires_at: Timestamp(record.expiry_date.unix_timestamp()),
        }
    }

    fn into_record(self, id: Id) -> Result<Record> {
        let expiry_date = OffsetDateTime::from_unix_timestamp(self.expires_at.0);
        Ok(Record {
            id,
            data: self.data,
            expiry_date: expiry_date.map_err(|error| Error::Decode(error.to_string()))?,
        })
    }
}

fn key(id: &Id) -> StateKey {
    StateKey::new(Kind::Session, &id.to_string())
}

fn failure(error: StateError) -> Error {
    match error {
        StateError::Unavailable(source) => Error::Backend(source.to_string()),
        StateError::Corrupt => Error::Decode(error.to_string()),
    }
}
