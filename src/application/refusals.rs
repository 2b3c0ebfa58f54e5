//! Refusals that anybody can cause without proving who they are. The trail gets the first of a kind,
//! client, user, address and minute at once, and the rest of that minute as one line that counts
//! them: nobody fills a disk by being refused (ADR 33).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Ports,
    ports::{Entry, StoreError},
    trail::{About, Origin},
};
use crate::{
    domain::{
        event::{AuditEvent, EventKind},
        id::{ClientId, UserId},
        time::Timestamp,
    },
    metrics,
};

/// Kinds of refusals that are told apart at once. The others of a minute share one line per kind of
/// event, so that this is also what a node writes in a minute at most, twice over.
const SORTS: usize = 1_024;
/// How often a look is taken at whether a minute is over.
const PAUSE: Duration = Duration::from_secs(5);

/// What shares a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sort {
    kind: EventKind,
    client: Option<ClientId>,
    user: Option<UserId>,
    address: Option<String>,
}

/// What came after the first.
#[derive(Debug)]
struct Rest {
    minute: i64,
    first: AuditEvent,
    more: u64,
}

/// The refusals of the present minute.
#[derive(Debug, Default)]
pub struct Refusals {
    sorts: Mutex<HashMap<Sort, Rest>>,
}

impl Refusals {
    /// Counts a refusal: what is to be written now.
    fn count(&self, event: AuditEvent) -> Vec<Written> {
        let minute = minute_of(event.at);
        let mut sorts = self.sorts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sort = Sort {
            kind: event.kind,
            client: event.client.clone(),
            user: event.user.clone(),
            address: event.address.clone(),
        };
        let mut written = Vec::new();
        if !sorts.contains_key(&sort) && sorts.len() >= SORTS {
            written.extend(end(&mut sorts, |rest| rest.minute < minute));
            if sorts.len() >= SORTS {
                sort = Sort {
                    client: None,
                    user: None,
                    address: None,
                    ..sort
                };
            }
        }
        if let Some(rest) = sorts.get_mut(&sort)
            && rest.minute == minute
        {
            rest.more = rest.more.saturating_add(1);
            return written;
        }
        let rest = Rest {
            minute,
            first: event.clone(),
            more: 0,
        };
        written.push(Written::First(event));
        let before = sorts.insert(sort, rest);
        written.extend(before.filter(|rest| rest.more > 0).map(Written::Rest));
        written
    }

    fn end_before(&self, minute: i64) -> Vec<Written> {
        let mut sorts = self.sorts.lock().unwrap_or_else(PoisonError::into_inner);
        end(&mut sorts, |rest| rest.minute < minute)
    }
}

/// A line of the trail.
enum Written {
    /// As it happened.
    First(AuditEvent),
    /// How often it happened again within its minute.
    Rest(Rest),
}

fn end(sorts: &mut HashMap<Sort, Rest>, is_over: impl Fn(&Rest) -> bool) -> Vec<Written> {
    sorts
        .extract_if(|_, rest| is_over(rest))
        .filter(|(_, rest)| rest.more > 0)
        .map(|(_, rest)| Written::Rest(rest))
        .collect()
}

fn minute_of(at: Timestamp) -> i64 {
    at.0.div_euclid(60)
}

impl Ports {
    /// Notes a refusal, in a line that it may share with others of its minute.
    pub async fn refused(
        &self,
        kind: EventKind,
        origin: &Origin,
        about: About,
    ) -> Result<(), StoreError> {
        let event = self.event(kind, origin, about);
        for written in self.refusals.count(event) {
            self.write(written).await?;
        }
        Ok(())
    }

    /// Writes how often it happened again, for every minute that is over.
    pub async fn close_refusals(&self) -> Result<(), StoreError> {
        let minute = minute_of(self.clock.now());
        for written in self.refusals.end_before(minute) {
            self.write(written).await?;
        }
        Ok(())
    }

    async fn write(&self, written: Written) -> Result<(), StoreError> {
        let event = match written {
            Written::First(event) => event,
            Written::Rest(rest) => self.closing(rest),
        };
        self.ledger.append(Entry::Event(Box::new(event))).await?;
        Ok(())
    }

    fn closing(&self, rest: Rest) -> AuditEvent {
        let mut detail = rest.first.detail;
        if let Some(detail) = detail.as_object_mut() {
            detail.insert("more".to_owned(), json!(rest.more));
            detail.insert("since".to_owned(), json!(rest.first.at));
        }
        AuditEvent {
            id: self.event_id(),
            at: self.clock.now(),
            trace: None,
            detail,
            ..rest.first
        }
    }
}

/// Closes minutes until `stop`, and what is left then.
pub async fn follow(ports: &Ports, stop: CancellationToken) {
    let mut is_running = true;
    while is_running {
        let pause = tokio::time::sleep(PAUSE);
        is_running = stop.run_until_cancelled(pause).await.is_some();
        let closed = if is_running {
            ports.close_refusals().await
        } else {
            close_all(ports).await
        };
        if let Err(error) = closed {
            metrics::event("refusals.lost");
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "how often clients were refused could not be written"
            );
        }
    }
}

async fn close_all(ports: &Ports) -> Result<(), StoreError> {
    for written in ports.refusals.end_before(i64::MAX) {
        ports.write(written).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn refusal(at: i64, address: &str) -> AuditEvent {
        AuditEvent {
            id: String::new(),
            at: Timestamp(at),
            kind: EventKind::ClientRejected,
            by: None,
            user: None,
            client: None,
            grant: None,
            address: Some(address.to_owned()),
            trace: None,
            detail: json!({}),
        }
    }

    fn lines(written: &[Written]) -> Vec<u64> {
        let count = |written: &Written| match written {
            Written::First(_) => 0,
            Written::Rest(rest) => rest.more,
        };
        written.iter().map(count).collect()
    }

    #[test]
    fn a_minute_of_refusals_makes_two_lines() {
        let refusals = Refusals::default();
        assert_eq!(lines(&refusals.count(refusal(60, "a"))), [0]);
        for _ in 0..1_000 {
            assert!(refusals.count(refusal(119, "a")).is_empty());
        }
        assert!(refusals.end_before(1).is_empty());
        assert_eq!(lines(&refusals.end_before(2)), [1_000]);
        assert!(refusals.end_before(2).is_empty());
    }

    #[test]
    fn the_next_minute_closes_the_one_before() {
        let refusals = Refusals::default();
        refusals.count(refusal(60, "a"));
        refusals.count(refusal(61, "a"));
        assert_eq!(lines(&refusals.count(refusal(120, "a"))), [0, 1]);
    }

    #[test]
    fn what_is_kept_and_written_is_bounded_whoever_asks() {
        let refusals = Refusals::default();
        let mut written = 0;
        for n in 0..10 * SORTS {
            written += refusals.count(refusal(60, &n.to_string())).len();
        }
        assert_eq!(written, SORTS + 1);
        assert!(refusals.sorts.lock().unwrap().len() <= SORTS + 1);
        let rest = u64::try_from(9 * SORTS - 1).unwrap();
        assert_eq!(lines(&refusals.end_before(2)), [rest]);
    }
}
