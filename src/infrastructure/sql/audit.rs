//! The audit trail.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, Order,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Set, sea_query::Query,
};

use super::{
    Sql,
    entities::audit_event::{self, COLUMN, Column},
    error::corrupt,
    page_start, row_limit,
};
use crate::{
    application::ports::{Audit, AuditMut, Page, StoreError},
    domain::{
        event::AuditEvent,
        id::{ClientId, GrantId, UserId},
        time::Timestamp,
    },
};

#[async_trait]
impl<C: ConnectionTrait + Send> Audit for Sql<C> {
    async fn events(&self, page: &Page) -> Result<Vec<AuditEvent>, StoreError> {
        let mut query = audit_event::Entity::find().order_by_asc(COLUMN.id);
        if let Some(after) = page_start(page.after.as_deref()) {
            query = query.filter(COLUMN.id.gt(after));
        }
        let rows = query.limit(row_limit(page.limit)).all(&self.connection);
        self.checked(rows.await)?
            .into_iter()
            .map(to_event)
            .collect()
    }

    async fn events_of_trace(
        &self,
        trace: &str,
        since: Timestamp,
        limit: u64,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = audit_event::Entity::find()
            .filter(COLUMN.id.gte(first_id(since)))
            .filter(Column::Trace.eq(visible(trace)))
            .limit(row_limit(limit))
            .all(&self.connection);
        let mut rows = self.checked(rows.await)?;
        // The database would sort all that there are to return a part of them.
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        rows.into_iter().map(to_event).collect()
    }
}

/// What the identifier of every event since `moment` comes after: they begin with their time (UUID
/// version 7, RFC 9562 section 5.7), so that the primary key is an index of time.
fn first_id(moment: Timestamp) -> String {
    let millis = u64::try_from(moment.0).unwrap_or(0).saturating_mul(1000);
    let mut id = uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10])
        .into_uuid()
        .to_string();
    // The time alone: version and variant would come after identifiers of other makes.
    id.truncate("00000000-0000".len());
    id
}

#[async_trait]
impl AuditMut for Sql<DatabaseTransaction> {
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let added =
            audit_event::Entity::insert(to_row(event)).exec_without_returning(&self.connection);
        self.checked(added.await).map(drop)
    }

    async fn record_all(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let added = audit_event::Entity::insert_many(events.iter().map(to_row))
            .exec_without_returning(&self.connection);
        self.checked(added.await).map(drop)
    }

    async fn sweep_events(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let old = Query::select()
            .column(Column::Id)
            .from(audit_event::Entity)
            .and_where(Column::Id.lt(first_id(moment)))
            .order_by(Column::Id, Order::Asc)
            .limit(row_limit(limit))
            .take();
        let swept = audit_event::Entity::delete_many()
            .filter(Column::Id.in_subquery(old))
            .exec(&self.connection)
            .await;
        Ok(self.checked(swept)?.rows_affected)
    }
}

fn to_row(event: &AuditEvent) -> audit_event::ActiveModel {
    audit_event::ActiveModel {
        id: Set(event.id.clone()),
        at: Set(event.at.0),
        kind: Set(event.kind.as_str().to_owned()),
        user_id: Set(event.user.as_ref().map(|id| visible(id.as_str()))),
        client_id: Set(event.client.as_ref().map(|id| visible(id.as_str()))),
        grant_id: Set(event.grant.as_ref().map(|id| visible(id.as_str()))),
        address: Set(event.address.as_deref().map(visible)),
        trace: Set(event.trace.as_deref().map(visible)),
        detail: Set(event.detail.to_string()),
    }
}

/// What a stranger sent as an identifier may hold a NUL. It must not keep the event out of the trail.
fn visible(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn to_event(row: audit_event::Model) -> Result<AuditEvent, StoreError> {
    let unreadable = || corrupt("audit event", &row.id);
    Ok(AuditEvent {
        kind: row.kind.parse().map_err(|_| unreadable())?,
        detail: serde_json::from_str(&row.detail).map_err(|_| unreadable())?,
        id: row.id,
        at: Timestamp(row.at),
        user: row.user_id.map(UserId::new),
        client: row.client_id.map(ClientId::new),
        grant: row.grant_id.map(GrantId::new),
        address: row.address,
        trace: row.trace,
    })
}
