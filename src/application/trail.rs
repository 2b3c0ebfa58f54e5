//! The audit trail: events are written in the transaction of the change they tell of.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Ports,
    ports::{Clock, Entry, Rng, StoreError, UnitOfWork},
};
use crate::{
    domain::{
        event::{Actor, AuditEvent, EventKind},
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
    /// Who asked, where that is an administrator for somebody else.
    pub by: Option<Actor>,
}

/// What an event is about.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Who did it, where that is neither the user for themselves nor the client.
    pub actor: Option<Actor>,
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
        by: about.actor.or_else(|| origin.by.clone()),
        user: about.user,
        client: about.client,
        grant: about.grant,
        address: origin.address.clone(),
        trace: origin.trace.clone(),
        detail: about.detail.unwrap_or_else(|| json!({})),
    }
}

/// What a change changed, for the trail: the members that differ, before and after, without secrets.
pub fn changes(before: &impl Serialize, after: &impl Serialize) -> Value {
    let members = |it: Value| match it {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    let mut old = members(serde_json::to_value(before).unwrap_or_default());
    let mut new = members(serde_json::to_value(after).unwrap_or_default());
    let differs = |name: &String, value: &Value, other: &Map<String, Value>| {
        !UNSAID.contains(&name.as_str()) && other.get(name) != Some(value)
    };
    let was = old.clone();
    old.retain(|name, value| differs(name, value, &new));
    new.retain(|name, value| differs(name, value, &was));
    let mut changes = json!({ "before": old, "after": new });
    hide_secrets(&mut changes);
    changes
}

/// What changes with everything.
const UNSAID: [&str; 1] = ["updated_at"];
/// Members that hold what could be a key, even as a digest.
const SECRET: [&str; 6] = ["secret", "secrets", "digest", "password", "hash", "token"];

fn hide_secrets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                if SECRET.contains(&name.as_str()) {
                    *value = json!("hidden");
                } else {
                    hide_secrets(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
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

    /// Writes an event that tells of no other change, in a commit that requests of the same moment
    /// share.
    pub async fn record(
        &self,
        kind: EventKind,
        origin: &Origin,
        about: About,
    ) -> Result<(), StoreError> {
        let event = Box::new(self.event(kind, origin, about));
        self.ledger.append(Entry::Event(event)).await.map(drop)
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
