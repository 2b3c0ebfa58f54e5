//! The audit trail as operators look at it: filtered, page by page, newest or oldest first.

use crate::{
    application::ports::{AuditKey, AuditSlice, Order, Store, StoreError},
    domain::{
        event::{AuditEvent, EventKind, first_id_at},
        id::{ClientId, UserId},
        time::Timestamp,
    },
};

/// Rows read at once, at least.
const CHUNK: u64 = 500;
/// Rows looked at for one page. A filter that nearly nothing passes answers with a short page and
/// the place to go on from.
const SCAN: u64 = 20_000;

/// Which events are wanted; what is absent does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of one of these kinds; of any if there is none.
    pub kinds: Vec<EventKind>,
    /// About this user.
    pub user: Option<UserId>,
    /// About this client.
    pub client: Option<ClientId>,
    /// Of this request.
    pub trace: Option<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// What the database does not filter by.
    fn passes(&self, event: &AuditEvent) -> bool {
        let is_kind = self.kinds.is_empty() || self.kinds.contains(&event.kind);
        let fits = |wanted: bool, fits: bool| !wanted || fits;
        is_kind
            && fits(self.user.is_some(), self.user == event.user)
            && fits(self.client.is_some(), self.client == event.client)
            && fits(self.trace.is_some(), self.trace == event.trace)
    }

    fn key(&self) -> AuditKey {
        match &self.user {
            Some(user) => AuditKey::User(user.clone()),
            None => AuditKey::All,
        }
    }
}

/// A page of the trail.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The events.
    pub events: Vec<AuditEvent>,
    /// Where the next page begins; absent after the last.
    pub next: Option<String>,
}

/// At most `limit` events after the cursor `after` that pass the filter. There may be fewer although
/// more follow: only a page without `next` is the last.
pub async fn audit(
    store: &dyn Store,
    filter: &AuditFilter,
    order: Order,
    after: Option<&str>,
    limit: u64,
) -> Result<AuditPage, StoreError> {
    let mut slice = slice(filter, order, after, limit.max(CHUNK));
    let mut events = Vec::new();
    let mut scanned = 0;
    loop {
        let rows = store.reader().audit(&slice).await?;
        let read = rows.len() as u64;
        scanned += read;
        let is_last = read < slice.limit;
        let last = rows.last().map(|event| event.id.clone());
        for event in rows {
            if filter.passes(&event) {
                events.push(event);
                if events.len() as u64 == limit {
                    let next = events.last().map(|event| event.id.clone());
                    return Ok(AuditPage { events, next });
                }
            }
        }
        if is_last {
            return Ok(AuditPage { events, next: None });
        }
        if scanned >= SCAN {
            return Ok(AuditPage { events, next: last });
        }
        slice.go_on_after(last);
    }
}

/// Identifiers begin with their time, so that time is a range of them.
fn slice(filter: &AuditFilter, order: Order, after: Option<&str>, limit: u64) -> AuditSlice {
    let mut slice = AuditSlice {
        key: filter.key(),
        from: filter.since.map(first_id_at),
        before: filter.until.map(first_id_at),
        after: None,
        order,
        limit,
    };
    slice.go_on_after(after.map(str::to_owned));
    slice
}
