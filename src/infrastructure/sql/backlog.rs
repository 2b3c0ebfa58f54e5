//! How far delivery is behind.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::{
    Sql,
    entities::outbox::{self, Column},
    row_limit,
};
use crate::{
    application::ports::{Backlog, Backlogs, StoreError},
    domain::time::Timestamp,
};

/// When a message that was given up is due.
const NEVER: i64 = i64::MAX;

#[async_trait]
impl<C: ConnectionTrait + Send> Backlogs for Sql<C> {
    async fn backlog(&self, limit: u64) -> Result<Backlog, StoreError> {
        let ids = || {
            outbox::Entity::find()
                .select_only()
                .column(Column::Id)
                .order_by_asc(Column::DueAt)
                .limit(row_limit(limit))
        };
        let pending = ids().filter(Column::DueAt.lt(NEVER));
        let pending = pending.into_tuple::<String>().all(&self.connection).await;
        let pending = self.checked(pending)?;
        let dead = ids().filter(Column::DueAt.eq(NEVER));
        let dead = dead.into_tuple::<String>().all(&self.connection).await;
        let count = |ids: &[String]| u64::try_from(ids.len()).unwrap_or(u64::MAX);
        Ok(Backlog {
            pending: count(&pending),
            dead: count(&self.checked(dead)?),
            oldest: pending.iter().min().and_then(|id| written_at(id)),
        })
    }
}

/// Identifiers begin with their time (UUID version 7, RFC 9562 section 5.7).
fn written_at(id: &str) -> Option<Timestamp> {
    let time = uuid::Uuid::parse_str(id).ok()?.get_timestamp()?;
    i64::try_from(time.to_unix().0).ok().map(Timestamp)
}
