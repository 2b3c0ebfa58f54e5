//! What changed in the directory, and what was ended before its time.
//!
//! Changes are numbered in the order of their commits, so that a reader who has seen one has seen all
//! before it. SQLite has one writer; on PostgreSQL, where sequences run ahead of commits, whoever
//! writes a change holds a lock until the commit. Directories change seldom.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
    sea_query::{OnConflict, Query},
};

use super::{
    Sql,
    entities::{directory_change, revocation},
    row_limit, storable,
};
use crate::{
    application::ports::{
        Change, Changes, ChangesMut, NumberedChange, Revocations, RevocationsMut, StoreError,
    },
    domain::{
        id::{ClientId, UserId},
        time::Timestamp,
    },
};

/// The lock under which PostgreSQL numbers changes: any number that nothing else uses.
const NUMBERING: &str = "SELECT pg_advisory_xact_lock(7305441877102847)";

#[async_trait]
impl<C: ConnectionTrait + Send> Changes for Sql<C> {
    async fn latest_change(&self) -> Result<i64, StoreError> {
        let newest = directory_change::Entity::find()
            // All of them: with it SQLite reads the end of the table and not the table.
            .filter(directory_change::COLUMN.seq.gt(0))
            .order_by_desc(directory_change::COLUMN.seq)
            .one(&self.connection)
            .await;
        Ok(self.checked(newest)?.map_or(0, |row| row.seq))
    }

    async fn changes_from(&self, seq: i64, limit: u64) -> Result<Vec<NumberedChange>, StoreError> {
        let rows = directory_change::Entity::find()
            .filter(directory_change::COLUMN.seq.gte(seq))
            .order_by_asc(directory_change::COLUMN.seq)
            .limit(row_limit(limit))
            .all(&self.connection)
            .await;
        let rows = self.checked(rows)?;
        Ok(rows
            .into_iter()
            .map(|row| NumberedChange {
                seq: row.seq,
                change: to_change(&row.kind, &row.name),
            })
            .collect())
    }
}

#[async_trait]
impl ChangesMut for Sql<DatabaseTransaction> {
    async fn sweep_changes(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let latest = self.latest_change().await?;
        let old = directory_change::Entity::find()
            .filter(directory_change::COLUMN.seq.lt(latest))
            .order_by_asc(directory_change::COLUMN.seq)
            .limit(row_limit(limit))
            .all(&self.connection)
            .await;
        let old = self.checked(old)?;
        let old = old.iter().take_while(|row| row.changed_at < moment.0);
        let Some(last) = old.last() else {
            return Ok(0);
        };
        let swept = directory_change::Entity::delete_many()
            .filter(directory_change::COLUMN.seq.lte(last.seq))
            .exec(&self.connection)
            .await;
        Ok(self.checked(swept)?.rows_affected)
    }
}

impl Sql<DatabaseTransaction> {
    /// Numbers what this unit of work touched. The last thing before its commit.
    pub(super) async fn number_changes(&self, now: Timestamp) -> Result<bool, DbErr> {
        let touched = self.touched();
        if touched.is_empty() {
            return Ok(false);
        }
        if self.connection.get_database_backend() == DbBackend::Postgres {
            self.connection.execute_unprepared(NUMBERING).await?;
        }
        let rows = touched.iter().map(|change| {
            let (kind, name) = to_text(change);
            directory_change::ActiveModel {
                kind: Set(kind.to_owned()),
                name: Set(name),
                changed_at: Set(now.0),
                ..Default::default()
            }
        });
        directory_change::Entity::insert_many(rows)
            .exec_without_returning(&self.connection)
            .await?;
        Ok(true)
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> Revocations for Sql<C> {
    async fn is_any_revoked(&self, ids: &[String]) -> Result<bool, StoreError> {
        let ids: Vec<&str> = ids.iter().filter_map(|id| storable(id)).collect();
        if ids.is_empty() {
            return Ok(false);
        }
        let found = revocation::Entity::find()
            .filter(revocation::Column::Id.is_in(ids))
            .all(&self.connection)
            .await;
        Ok(!self.checked(found)?.is_empty())
    }
}

#[async_trait]
impl RevocationsMut for Sql<DatabaseTransaction> {
    async fn revoke_all(&self, revocations: &[(String, Timestamp)]) -> Result<(), StoreError> {
        let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (id, expires_at) in revocations {
            if let Some(id) = storable(id) {
                let kept = last.entry(id).or_insert(*expires_at);
                *kept = (*kept).max(*expires_at);
            }
        }
        if last.is_empty() {
            return Ok(());
        }
        let rows = last
            .into_iter()
            .map(|(id, expires_at)| revocation::ActiveModel {
                id: Set(id.to_owned()),
                expires_at: Set(expires_at.0),
            });
        let replace = OnConflict::column(revocation::Column::Id)
            .update_column(revocation::Column::ExpiresAt)
            .to_owned();
        let stored = revocation::Entity::insert_many(rows)
            .on_conflict(replace)
            .exec_without_returning(&self.connection)
            .await;
        self.checked(stored).map(drop)
    }

    async fn sweep_revocations(&self, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let expired = Query::select()
            .column(revocation::Column::Id)
            .from(revocation::Entity)
            .and_where(revocation::Column::ExpiresAt.lt(now.0))
            .order_by(revocation::Column::ExpiresAt, sea_orm::Order::Asc)
            .limit(row_limit(limit))
            .take();
        let swept = revocation::Entity::delete_many()
            .filter(revocation::Column::Id.in_subquery(expired))
            .exec(&self.connection)
            .await;
        Ok(self.checked(swept)?.rows_affected)
    }
}

fn to_text(change: &Change) -> (&'static str, String) {
    match change {
        Change::Client(id) => ("client", id.to_string()),
        Change::Resource(identifier) => ("resource", identifier.clone()),
        Change::User(id) => ("user", id.to_string()),
        Change::Authority(id) => ("authority", id.to_string()),
        Change::Authorities => ("authorities", String::new()),
        Change::Keys => ("keys", String::new()),
        // A user's identifier holds no space.
        Change::Consent(user, client) => ("consent", format!("{user} {client}")),
        Change::Unknown => ("unknown", String::new()),
    }
}

fn to_change(kind: &str, name: &str) -> Change {
    match (kind, name.split_once(' ')) {
        ("client", _) => Change::Client(ClientId::new(name)),
        ("resource", _) => Change::Resource(name.to_owned()),
        ("user", _) => Change::User(UserId::new(name)),
        ("authority", _) => Change::Authority(UserId::new(name)),
        ("authorities", _) => Change::Authorities,
        ("keys", _) => Change::Keys,
        ("consent", Some((user, client))) => {
            Change::Consent(UserId::new(user), ClientId::new(client))
        }
        _ => Change::Unknown,
    }
}
