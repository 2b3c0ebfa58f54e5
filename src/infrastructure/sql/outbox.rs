//! The outbox.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, EntityTrait as _, ExprTrait as _, IntoSimpleExpr as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Set, UpdateMany,
    sea_query::{LockBehavior, LockType},
};

use super::{
    Sql,
    entities::outbox::{self, COLUMN, Column},
    error::corrupt,
    page_start, row_limit, storable,
};
use crate::{
    application::ports::{Outbox, OutboxFilter, OutboxMut, Page, StoreError},
    domain::{
        event::{OutboxKind, OutboxMessage, OutboxRow},
        time::Timestamp,
    },
};

/// When what was given up is due: never, so that claims need not look at it.
const NEVER: i64 = i64::MAX;
/// Characters of an error that are kept.
const ERROR: usize = 500;

#[async_trait]
impl<C: ConnectionTrait + Send> Outbox for Sql<C> {
    async fn outbox(
        &self,
        filter: OutboxFilter,
        page: &Page,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let mut query = outbox::Entity::find().order_by_asc(COLUMN.id);
        if let Some(after) = page_start(page.after.as_deref()) {
            query = query.filter(COLUMN.id.gt(after));
        }
        match filter {
            OutboxFilter::All => {}
            OutboxFilter::Dead => query = query.filter(COLUMN.due_at.eq(NEVER)),
        }
        let rows = query.limit(row_limit(page.limit)).all(&self.connection);
        self.checked(rows.await)?.into_iter().map(to_row).collect()
    }

    async fn has_due(&self, kind: OutboxKind, now: Timestamp) -> Result<bool, StoreError> {
        let due = outbox::Entity::find()
            .filter(COLUMN.kind.eq(kind.as_str()))
            .filter(COLUMN.due_at.lte(now.0))
            .order_by_asc(COLUMN.due_at)
            .limit(1)
            .all(&self.connection);
        Ok(!self.checked(due.await)?.is_empty())
    }
}

#[async_trait]
impl OutboxMut for Sql<DatabaseTransaction> {
    async fn enqueue(&self, message: &OutboxMessage) -> Result<(), StoreError> {
        let added =
            outbox::Entity::insert(to_model(message)).exec_without_returning(&self.connection);
        self.checked(added.await).map(drop)
    }

    /// Two statements: PostgreSQL may run a locking subquery of an UPDATE more than once and so take
    /// more than the limit. What another node is about to take is skipped, not waited for. SQLite has
    /// one writer and needs no lock.
    async fn claim_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        retry_at: Timestamp,
        limit: u64,
    ) -> Result<Vec<OutboxMessage>, StoreError> {
        let due = self.lock_due(kind, now, limit).await?;
        let claimed = outbox::Entity::update_many()
            .col_expr(Column::DueAt, retry_at.0.into())
            .col_expr(Column::Attempts, COLUMN.attempts.into_simple_expr().add(1))
            .filter(COLUMN.id.is_in(due.iter().map(|row| row.id.as_str())))
            .exec(&self.connection)
            .await;
        self.checked(claimed)?;
        due.into_iter()
            .map(|row| to_claimed(row, retry_at))
            .collect()
    }

    async fn take_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<String>, StoreError> {
        let due = self.lock_due(kind, now, limit).await?;
        let ids: Vec<String> = due.into_iter().map(|row| row.id).collect();
        let taken = outbox::Entity::delete_many()
            .filter(COLUMN.id.is_in(ids.iter().map(String::as_str)))
            .exec(&self.connection);
        self.checked(taken.await)?;
        Ok(ids)
    }

    async fn delivered(&self, id: &str) -> Result<(), StoreError> {
        let Some(id) = storable(id) else {
            return Ok(());
        };
        let removed = outbox::Entity::delete_by_id(id).exec(&self.connection);
        self.checked(removed.await).map(drop)
    }

    async fn postpone(
        &self,
        claimed: &OutboxMessage,
        due_at: Timestamp,
        error: &str,
    ) -> Result<bool, StoreError> {
        let update = of_claim(claimed, error).col_expr(Column::DueAt, due_at.0.into());
        self.updated(update).await
    }

    async fn bury(
        &self,
        claimed: &OutboxMessage,
        now: Timestamp,
        error: &str,
    ) -> Result<bool, StoreError> {
        let update = of_claim(claimed, error)
            .col_expr(Column::DueAt, NEVER.into())
            .col_expr(Column::DeadAt, now.0.into());
        self.updated(update).await
    }

    async fn revive(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let Some(id) = storable(id) else {
            return Ok(false);
        };
        let update = outbox::Entity::update_many()
            .col_expr(Column::DueAt, now.0.into())
            .col_expr(Column::DeadAt, Option::<i64>::None.into())
            .col_expr(Column::Attempts, 0_i64.into())
            .filter(COLUMN.id.eq(id))
            .filter(COLUMN.due_at.eq(NEVER));
        self.updated(update).await
    }
}

impl Sql<DatabaseTransaction> {
    async fn lock_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<outbox::Model>, StoreError> {
        let due = outbox::Entity::find()
            .filter(COLUMN.kind.eq(kind.as_str()))
            .filter(COLUMN.due_at.lte(now.0))
            .order_by_asc(COLUMN.due_at)
            .order_by_asc(COLUMN.id)
            .limit(row_limit(limit))
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&self.connection)
            .await;
        self.checked(due)
    }

    async fn updated(&self, update: UpdateMany<outbox::Entity>) -> Result<bool, StoreError> {
        let updated = update.exec(&self.connection).await;
        Ok(self.checked(updated)?.rows_affected > 0)
    }
}

/// A change of this message while the claim holds: a later claim has counted another attempt.
fn of_claim(claimed: &OutboxMessage, error: &str) -> UpdateMany<outbox::Entity> {
    let error: String = error
        .replace('\0', "\u{fffd}")
        .chars()
        .take(ERROR)
        .collect();
    outbox::Entity::update_many()
        .col_expr(Column::Error, error.into())
        .filter(COLUMN.id.eq(claimed.id.as_str()))
        .filter(COLUMN.attempts.eq(i64::from(claimed.attempts)))
}

/// The row of a new message.
pub(super) fn to_model(message: &OutboxMessage) -> outbox::ActiveModel {
    outbox::ActiveModel {
        id: Set(message.id.clone()),
        kind: Set(message.kind.as_str().to_owned()),
        payload: Set(message.payload.to_string()),
        due_at: Set(message.due_at.0),
        attempts: Set(message.attempts.into()),
        dead_at: Set(None),
        error: Set(None),
    }
}

fn to_row(row: outbox::Model) -> Result<OutboxRow, StoreError> {
    let unreadable = || corrupt("outbox message", &row.id);
    Ok(OutboxRow {
        dead_at: row.dead_at.map(Timestamp),
        message: OutboxMessage {
            kind: row.kind.parse().map_err(|_| unreadable())?,
            payload: serde_json::from_str(&row.payload).map_err(|_| unreadable())?,
            attempts: u32::try_from(row.attempts).map_err(|_| unreadable())?,
            due_at: Timestamp(row.due_at),
            id: row.id,
        },
        error: row.error,
    })
}

fn to_claimed(row: outbox::Model, retry_at: Timestamp) -> Result<OutboxMessage, StoreError> {
    let mut message = to_row(row)?.message;
    message.attempts = message.attempts.saturating_add(1);
    message.due_at = retry_at;
    Ok(message)
}
