//! The audit trail: events are written in the transaction of the change they tell of.

use serde_json::{Value, json};

use super::{
    Ports,
    ports::{Clock, Rng, StoreError, UnitOfWork},
};
use crate::{
    domain::{
        event::{AuditEvent, EventKind},
        id::{ClientId, GrantId, UserId},
        time::Timestamp,
    },
    metrics,
};

/// Where a request comes from, for events and limits.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The peer's address; behind trusted proxies the one they report.
    pub address: Option<String>,
    /// The trace id that log, error page and event share.
    pub trace: Option<String>,
}

/// What an event is about.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The user.
    pub user: Option<UserId>,
    /// The client.
    pub client: Option<ClientId>,
    /// The grant.
    pub grant: Option<GrantId>,
    /// Details without secrets.
    pub detail: Option<Value>,
}

/// An event of this moment.
pub(super) fn event(
    clock: &dyn Clock,
    rng: &dyn Rng,
    kind: EventKind,
    origin: &Origin,
    about: About,
) -> AuditEvent {
    metrics::event(kind.as_str());
    let now = clock.now();
    AuditEvent {
        id: ordered_id(rng, now),
        at: now,
        kind,
        user: about.user,
        client: about.client,
        grant: about.grant,
        address: origin.address.clone(),
        trace: origin.trace.clone(),
        detail: about.detail.unwrap_or_else(|| json!({})),
    }
}

/// A fresh identifier in the order of time (UUID version 7).
pub(super) fn ordered_id(rng: &dyn Rng, now: Timestamp) -> String {
    let mut random = [0_u8; 10];
    rng.fill(&mut random);
    let millis = u64::try_from(now.0).unwrap_or(0).saturating_mul(1000);
    uuid::Builder::from_unix_timestamp_millis(millis, &random)
        .into_uuid()
        .to_string()
}

impl Ports {
    /// A fresh identifier of an event.
    pub(super) fn event_id(&self) -> String {
        ordered_id(&*self.rng, self.clock.now())
    }

    /// An event of this moment.
    pub fn event(&self, kind: EventKind, origin: &Origin, about: About) -> AuditEvent {
        event(&*self.clock, &*self.rng, kind, origin, about)
    }

    /// Writes an event that tells of no other change.
    pub async fn record(
        &self,
        kind: EventKind,
        origin: &Origin,
        about: About,
    ) -> Result<(), StoreError> {
        let work = self.store.begin().await?;
        work.record(&self.event(kind, origin, about)).await?;
        work.commit().await
    }

    /// Writes an event as part of `work`.
    pub async fn record_in(
        &self,
        work: &dyn UnitOfWork,
        kind: EventKind,
        origin: &Origin,
        about: About,
    ) -> Result<(), StoreError> {
        work.record(&self.event(kind, origin, about)).await
    }
}
