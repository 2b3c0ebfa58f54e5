//! The pulse of the state store: one small record that every request reads along with its own.
//!
//! Its `turn` is another after every change of the directory: a node whose copies are of an earlier
//! turn asks the database what changed. Its `epoch` is another whenever the store may have forgotten
//! something: it was emptied, restarted, or another server took over. What was made in an epoch and
//! ended in it, the store remembers; of what is older, the database knows.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    application::{
        Failure,
        ports::{
            Clock, Rng,
            state::{Kind, StateKey, StateStore},
        },
    },
    domain::time::Timestamp,
};

/// A store that nobody touches for so long begins a new epoch, which costs a few reads.
const TTL: Duration = Duration::from_hours(24 * 365);
/// Lost races for the record until we give up.
const MAX_ATTEMPTS: usize = 64;

/// What the record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pulse {
    /// The present stretch of unbroken memory.
    pub(super) epoch: String,
    /// When it began, by the clock of the node that noticed: for people who look at it.
    since: Timestamp,
    /// Which memory it is about: what the store calls itself.
    incarnation: String,
    /// The present state of the directory.
    turn: String,
}

/// Where the record is, and what it takes to write it.
pub(super) struct Heart {
    pub(super) key: StateKey,
    state: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Heart {
    pub(super) fn new(
        state: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        Self {
            key: StateKey::new(Kind::Pulse, "pulse"),
            state,
            clock,
            rng,
        }
    }

    pub(super) async fn incarnation(&self) -> Result<Arc<str>, Failure> {
        Ok(self.state.incarnation().await?)
    }

    /// The record as it is to be believed now: `found`, or a new epoch if the store is not the one
    /// that it tells of.
    pub(super) async fn confirm(
        &self,
        mut found: Option<Vec<u8>>,
    ) -> Result<(Vec<u8>, Pulse), Failure> {
        for _ in 0..MAX_ATTEMPTS {
            let incarnation = self.state.incarnation().await?;
            let pulse = found.as_deref().and_then(parse);
            if let (Some(bytes), Some(pulse)) = (&found, pulse)
                && *pulse.incarnation == *incarnation
            {
                return Ok((bytes.clone(), pulse));
            }
            let pulse = Pulse {
                epoch: self.random(),
                since: self.clock.now(),
                incarnation: incarnation.to_string(),
                turn: self.random(),
            };
            let bytes = serde_json::to_vec(&pulse)?;
            let written = match &found {
                None => self.state.add(&self.key, &bytes, TTL).await?,
                Some(old) => self.state.replace(&self.key, old, &bytes, TTL).await?,
            };
            if written {
                tracing::info!(
                    incarnation = %pulse.incarnation,
                    "the state store begins a new epoch: what was revoked before is asked of the database"
                );
                return Ok((bytes, pulse));
            }
            found = self.state.get(&self.key).await?;
        }
        Err(Failure::Unavailable("the pulse of the state store", None))
    }

    /// Another turn: every node will look what changed.
    pub(super) async fn beat(&self) -> Result<(), Failure> {
        for _ in 0..MAX_ATTEMPTS {
            let found = self.state.get(&self.key).await?;
            let (bytes, pulse) = self.confirm(found).await?;
            let next = Pulse {
                turn: self.random(),
                ..pulse
            };
            let next = serde_json::to_vec(&next)?;
            if self.state.replace(&self.key, &bytes, &next, TTL).await? {
                return Ok(());
            }
        }
        Err(Failure::Unavailable("the pulse of the state store", None))
    }

    fn random(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut bytes = [0_u8; 9];
        self.rng.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn parse(bytes: &[u8]) -> Option<Pulse> {
    serde_json::from_slice(bytes).ok()
}
