//! Whether the server can do its work, part by part: what only reads does not notice a full disk, so
//! the stores are written to and a key signs.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    application::{
        Ports,
        ports::{
            DiskSpace, StoreError,
            state::{Kind, StateError, StateKey},
        },
    },
    domain::time::Timestamp,
    web::Web,
};

/// A store that takes longer is not ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// With less room the next write may fail, and with it whatever is under way.
const LEAST_SPACE: u64 = 32 * 1024 * 1024;

/// What a server needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Database,
    State,
    Keys,
    Disk,
    Server,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::State => "state",
            Self::Keys => "keys",
            Self::Disk => "disk",
            Self::Server => "server",
        }
    }
}

/// What is the matter, in words of ours: an error may hold addresses or worse, and goes to the log.
type Trouble = &'static str;

/// Looks after the parts, and remembers since when one has not been well.
pub(super) struct Readiness {
    web: Arc<Web>,
    disk: Arc<dyn DiskSpace>,
    stopping: CancellationToken,
    since: Mutex<BTreeMap<Part, Timestamp>>,
}

/// How all parts are.
pub(super) struct Report(Vec<(Part, Option<(Trouble, Timestamp)>)>);

impl Readiness {
    pub(super) fn new(
        web: Arc<Web>,
        disk: Arc<dyn DiskSpace>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            web,
            disk,
            stopping,
            since: Mutex::default(),
        }
    }

    /// Looks at every part. "Since" is when a look first found the trouble.
    pub(super) async fn look(&self) -> Report {
        let ports = &self.web.ports;
        let (database, state) = tokio::join!(
            patiently(database(ports), told_of_database),
            patiently(state(ports), told_of_state),
        );
        let outcomes = [
            (Part::Database, database),
            (Part::State, state),
            (Part::Keys, keys(ports)),
            (Part::Disk, self.space()),
            (Part::Server, self.going_on()),
        ];
        let now = ports.clock.now();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let report = outcomes.into_iter().map(|(part, outcome)| match outcome {
            Ok(()) => {
                since.remove(&part);
                (part, None)
            }
            Err(trouble) => (part, Some((trouble, *since.entry(part).or_insert(now)))),
        });
        Report(report.collect())
    }

    fn space(&self) -> Result<(), Trouble> {
        match self.disk.least() {
            Some(bytes) if bytes < LEAST_SPACE => {
                Err("less than 32 MiB are left where this node keeps its data")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn going_on(&self) -> Result<(), Trouble> {
        if self.stopping.is_cancelled() {
            Err("is shutting down")
        } else {
            Ok(())
        }
    }
}

async fn patiently<E: Error + 'static>(
    work: impl Future<Output = Result<(), E>>,
    tell: fn(&E) -> Trouble,
) -> Result<(), Trouble> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn Error, "a part is not ready");
            Err(tell(&error))
        }
        Err(_) => Err("does not answer within 2 s"),
    }
}

/// A transaction that removes nothing takes the way of one that does: a standby refuses it.
async fn database(ports: &Ports) -> Result<(), StoreError> {
    let work = ports.store.begin().await?;
    work.sweep_revocations(Timestamp(i64::MIN), 1).await?;
    work.commit().await
}

/// Of a kind that must reach the disk.
async fn state(ports: &Ports) -> Result<(), StateError> {
    let probe = StateKey::new(Kind::RevokedToken, "health");
    ports.state.put(&probe, b"", PATIENCE).await
}

fn keys(ports: &Ports) -> Result<(), Trouble> {
    let algorithm = ports.settings.access_token_algorithm;
    let signed = ports.signer.sign("health+jwt", algorithm, b"{}");
    signed.map(drop).map_err(|error| {
        tracing::warn!(error = &error as &dyn Error, "a part is not ready");
        "no key signs access tokens"
    })
}

fn told_of_database(error: &StoreError) -> Trouble {
    match error {
        StoreError::Unavailable(_) => "is not available for writing",
        StoreError::Conflict(_) | StoreError::Corrupt(_) => "is broken",
    }
}

fn told_of_state(error: &StateError) -> Trouble {
    match error {
        StateError::Unavailable(_) => "is not available for writing",
        StateError::Corrupt => "is broken",
    }
}

impl Report {
    pub(super) fn is_ready(&self) -> bool {
        self.0.iter().all(|(_, trouble)| trouble.is_none())
    }

    pub(super) fn to_json(&self) -> Value {
        let mut body = Map::new();
        let word = if self.is_ready() {
            "ready"
        } else {
            "not ready"
        };
        body.insert("status".to_owned(), word.into());
        let mut reasons = Vec::new();
        for (part, trouble) in &self.0 {
            match part {
                Part::Server => {
                    body.insert("stopping".to_owned(), trouble.is_some().into());
                }
                Part::Database | Part::State | Part::Keys | Part::Disk => {
                    let word = if trouble.is_none() { "up" } else { "down" };
                    body.insert(part.as_str().to_owned(), word.into());
                }
            }
            if let Some((reason, since)) = trouble {
                let since = DateTime::from_timestamp(since.0, 0).unwrap_or_default();
                reasons.push(json!({
                    "part": part.as_str(),
                    "reason": reason,
                    "since": since.to_rfc3339_opts(SecondsFormat::Secs, true),
                }));
            }
        }
        if !reasons.is_empty() {
            body.insert("reasons".to_owned(), reasons.into());
        }
        Value::Object(body)
    }
}
