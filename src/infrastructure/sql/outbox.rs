//! The outbox.

use async_trait::async_trait;
use sea_orm::{
    DatabaseTransaction, EntityTrait as _, ExprTrait as _, IntoSimpleExpr as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Set,
    sea_query::{LockBehavior, LockType},
};

use super::{
    Sql,
    entities::outbox::{self, COLUMN, Column},
    error::corrupt,
    row_limit, storable,
};
use crate::{
    application::ports::{OutboxMut, StoreError},
    domain::{event::OutboxMessage, time::Timestamp},
};

#[async_trait]
impl OutboxMut for Sql<DatabaseTransaction> {
    async fn enqueue(&self, message: &OutboxMessage) -> Result<(), StoreError> {
        let row = outbox::ActiveModel {
            id: Set(message.id.clone()),
            kind: Set(message.kind.clone()),
            payload: Set(message.payload.to_string()),
            due_at: Set(message.due_at.0),
            attempts: Set(message.attempts.into()),
        };
        let added = outbox::Entity::insert(row).exec_without_returning(&self.connection);
        self.checked(added.await).map(drop)
    }

    /// Two statements: PostgreSQL may run a locking subquery of an UPDATE more than once and so take
    /// more than the limit. What another node is about to take is skipped, not waited for. SQLite has
    /// one writer and needs no lock.
    async fn claim_due(
        &self,
        now: Timestamp,
        retry_at: Timestamp,
        limit: u64,
    ) -> Result<Vec<OutboxMessage>, StoreError> {
        let due = outbox::Entity::find()
            .filter(COLUMN.due_at.lte(now.0))
            .order_by_asc(COLUMN.due_at)
            .order_by_asc(COLUMN.id)
            .limit(row_limit(limit))
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&self.connection)
            .await;
        let due = self.checked(due)?;
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

    async fn delivered(&self, id: &str) -> Result<(), StoreError> {
        let Some(id) = storable(id) else {
            return Ok(());
        };
        let removed = outbox::Entity::delete_by_id(id).exec(&self.connection);
        self.checked(removed.await).map(drop)
    }
}

fn to_claimed(row: outbox::Model, retry_at: Timestamp) -> Result<OutboxMessage, StoreError> {
    let unreadable = || corrupt("outbox message", &row.id);
    Ok(OutboxMessage {
        payload: serde_json::from_str(&row.payload).map_err(|_| unreadable())?,
        attempts: u32::try_from(row.attempts.saturating_add(1)).map_err(|_| unreadable())?,
        id: row.id,
        kind: row.kind,
        due_at: retry_at,
    })
}
