//! The audit trail.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _,
    Order as Sorting, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Set,
    sea_query::{CommonTableExpression, InsertStatement, Query, WithClause},
};

use super::{
    Sql,
    entities::{
        audit_event::{self, COLUMN, Column},
        outbox,
    },
    error::corrupt,
    page_start, row_limit,
};
use crate::{
    application::ports::{Audit, AuditKey, AuditMut, AuditSlice, Order, Page, StoreError},
    domain::{
        event::{AuditEvent, OutboxKind, OutboxMessage, first_id_at},
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
            .filter(COLUMN.id.gte(first_id_at(since)))
            .filter(Column::Trace.eq(visible(trace)))
            .limit(row_limit(limit))
            .all(&self.connection);
        let mut rows = self.checked(rows.await)?;
        // The database would sort all that there are to return a part of them.
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        rows.into_iter().map(to_event).collect()
    }

    async fn audit(&self, slice: &AuditSlice) -> Result<Vec<AuditEvent>, StoreError> {
        let mut query = audit_event::Entity::find();
        match &slice.key {
            AuditKey::All => {}
            AuditKey::User(user) => query = query.filter(COLUMN.user_id.eq(visible(user.as_str()))),
        }
        let bound = |id: &Option<String>| page_start(id.as_deref()).map(str::to_owned);
        if let Some(from) = bound(&slice.from) {
            query = query.filter(COLUMN.id.gte(from));
        }
        if let Some(before) = bound(&slice.before) {
            query = query.filter(COLUMN.id.lt(before));
        }
        query = match (slice.order, bound(&slice.after)) {
            (Order::OldestFirst, Some(after)) => query.filter(COLUMN.id.gt(after)),
            (Order::NewestFirst, Some(after)) => query.filter(COLUMN.id.lt(after)),
            (Order::OldestFirst | Order::NewestFirst, None) => query,
        };
        query = match slice.order {
            Order::OldestFirst => query.order_by_asc(COLUMN.id),
            Order::NewestFirst => query.order_by_desc(COLUMN.id),
        };
        let rows = query.limit(row_limit(slice.limit)).all(&self.connection);
        self.checked(rows.await)?
            .into_iter()
            .map(to_event)
            .collect()
    }

    async fn events_by_id(&self, ids: &[String]) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = audit_event::Entity::find()
            .filter(COLUMN.id.is_in(ids.iter().map(String::as_str)))
            .order_by_asc(COLUMN.id)
            .all(&self.connection);
        self.checked(rows.await)?
            .into_iter()
            .map(to_event)
            .collect()
    }
}

#[async_trait]
impl AuditMut for Sql<DatabaseTransaction> {
    async fn record(&self, event: &AuditEvent) -> Result<(), StoreError> {
        self.record_all(std::slice::from_ref(event)).await
    }

    async fn record_all(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let recorded = audit_event::Entity::insert_many(events.iter().map(to_row));
        let handled: Vec<_> = events.iter().filter(|it| it.kind.is_handled()).collect();
        if handled.is_empty() {
            let added = recorded.exec_without_returning(&self.connection);
            return self.checked(added.await).map(drop);
        }
        let queued = outbox::Entity::insert_many(handled.into_iter().map(to_queue));
        self.record_and_queue(recorded.into_query(), queued.into_query())
            .await
    }

    async fn sweep_events(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let old = Query::select()
            .column(Column::Id)
            .from(audit_event::Entity)
            .and_where(Column::Id.lt(first_id_at(moment)))
            .order_by(Column::Id, Sorting::Asc)
            .limit(row_limit(limit))
            .take();
        let swept = audit_event::Entity::delete_many()
            .filter(Column::Id.in_subquery(old))
            .exec(&self.connection)
            .await;
        Ok(self.checked(swept)?.rows_affected)
    }
}

impl Sql<DatabaseTransaction> {
    /// Events and what is to follow from them. On PostgreSQL in one statement: a login waits for no
    /// further round trip. SQLite, which knows no such statement, has no way to go.
    async fn record_and_queue(
        &self,
        recorded: InsertStatement,
        queued: InsertStatement,
    ) -> Result<(), StoreError> {
        if self.connection.get_database_backend() == DbBackend::Postgres {
            let queue = CommonTableExpression::new()
                .table_name("queued")
                .query(queued)
                .to_owned();
            let both = recorded.with(WithClause::new().cte(queue).to_owned());
            let added = self.connection.execute(&both).await;
            return self.checked(added).map(drop);
        }
        let added = self.connection.execute(&recorded).await;
        self.checked(added)?;
        let added = self.connection.execute(&queued).await;
        self.checked(added).map(drop)
    }
}

/// The row that makes a worker run an event's handlers; it has the event's name.
fn to_queue(event: &AuditEvent) -> super::entities::outbox::ActiveModel {
    super::outbox::to_model(&OutboxMessage {
        id: event.id.clone(),
        kind: OutboxKind::Event,
        payload: serde_json::json!({}),
        due_at: event.at,
        attempts: 0,
    })
}

fn to_row(event: &AuditEvent) -> audit_event::ActiveModel {
    audit_event::ActiveModel {
        id: Set(event.id.clone()),
        at: Set(event.at.0),
        kind: Set(event.kind.as_str().to_owned()),
        actor: Set(event.by.as_ref().map(|by| visible(&by.to_string()))),
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
        by: row
            .actor
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| unreadable())?,
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
