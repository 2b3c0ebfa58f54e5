//! Grants: each is redeemed once, and revoked for good even if the revocation comes first.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Set,
    sea_query::{ExprTrait as _, OnConflict, Query, SimpleExpr},
};

use super::{
    Sql,
    entities::grant::{self, Column},
    error::corrupt,
    only, page_start, row_limit, storable,
};
use crate::{
    application::ports::{Grants, GrantsMut, Page, RevokedGrant, StoreError},
    domain::{
        grant::{Grant, GrantRecord},
        id::{ClientId, GrantId, SessionId, UserId},
        time::Timestamp,
    },
};

/// How long the mark of a grant that was revoked before its redemption stays: longer than any code.
const MARK_LIFETIME: Duration = Duration::from_hours(24);

#[async_trait]
impl<C: ConnectionTrait + Send> Grants for Sql<C> {
    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>, StoreError> {
        let Some(id) = storable(id.as_str()) else {
            return Ok(None);
        };
        let row = only(grant::Entity::find_by_id(id).all(&self.connection)).await;
        let Some(row) = self.checked(row)? else {
            return Ok(None);
        };
        to_record(&row)
    }

    async fn grants_of(
        &self,
        user: &UserId,
        client: &ClientId,
        page: &Page,
    ) -> Result<Vec<GrantRecord>, StoreError> {
        let (Some(user), Some(client)) = (storable(user.as_str()), storable(client.as_str()))
        else {
            return Ok(Vec::new());
        };
        let mut query = grant::Entity::find()
            .filter(Column::ClientId.eq(client))
            .filter(Column::UserId.eq(user))
            .filter(Column::RedeemedAt.is_not_null())
            .order_by_asc(Column::Id);
        if let Some(after) = page_start(page.after.as_deref()) {
            query = query.filter(Column::Id.gt(after));
        }
        let rows = query.limit(row_limit(page.limit)).all(&self.connection);
        let rows = self.checked(rows.await)?;
        let records = rows.iter().map(|row| to_record(row).transpose());
        records.flatten().collect()
    }
}

/// None if it is only the mark of a grant that was revoked before its time.
fn to_record(row: &grant::Model) -> Result<Option<GrantRecord>, StoreError> {
    let Some(json) = &row.grant_json else {
        return Ok(None);
    };
    Ok(Some(GrantRecord {
        grant: serde_json::from_str(json).map_err(|_| corrupt("grant", &row.id))?,
        expires_at: Timestamp(row.expires_at),
        revoked_at: row.revoked_at.map(Timestamp),
    }))
}

#[async_trait]
impl GrantsMut for Sql<DatabaseTransaction> {
    async fn redeem_grant(&self, grant: &Grant, expires_at: Timestamp) -> Result<bool, StoreError> {
        let rows = grant::Entity::insert(to_row(grant, expires_at)?)
            .on_conflict(unless_redeemed())
            .exec_without_returning(&self.connection)
            .await;
        Ok(self.checked(rows)? == 1)
    }

    async fn redeem_grants(&self, grants: &[(&Grant, Timestamp)]) -> Result<Vec<bool>, StoreError> {
        // A statement cannot touch one row twice.
        let mut firsts: HashMap<&str, usize> = HashMap::new();
        for (at, (grant, _)) in grants.iter().enumerate() {
            firsts.entry(grant.id.as_str()).or_insert(at);
        }
        let mut rows = Vec::with_capacity(firsts.len());
        for (at, (grant, expires_at)) in grants.iter().enumerate() {
            if firsts.get(grant.id.as_str()) == Some(&at) {
                rows.push(to_row(grant, *expires_at)?);
            }
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut insert = grant::Entity::insert_many(rows)
            .on_conflict(unless_redeemed())
            .into_query();
        insert.returning_col(Column::Id);
        let statement = self.connection.get_database_backend().build(&insert);
        let written = self.connection.query_all_raw(statement).await;
        let written: Result<HashSet<String>, DbErr> = self
            .checked(written)?
            .iter()
            .map(|row| row.try_get_by_index(0))
            .collect();
        let written = self.checked(written)?;
        Ok(grants
            .iter()
            .enumerate()
            .map(|(at, (grant, _))| {
                let id = grant.id.as_str();
                firsts.get(id) == Some(&at) && written.contains(id)
            })
            .collect())
    }

    async fn revoke_grant(
        &self,
        id: &GrantId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (Some(id), Some(client)) = (storable(id.as_str()), storable(client.as_str())) else {
            return Ok(false);
        };
        let mark = grant::ActiveModel {
            id: Set(id.to_owned()),
            user_id: Set(None),
            client_id: Set(client.to_owned()),
            session_id: Set(None),
            grant_json: Set(None),
            expires_at: Set(now.plus(MARK_LIFETIME).0),
            redeemed_at: Set(None),
            revoked_at: Set(Some(now.0)),
        };
        let unless_revoked = OnConflict::column(Column::Id)
            .update_column(Column::RevokedAt)
            .action_and_where(Column::RevokedAt.is_null())
            .to_owned();
        let rows = grant::Entity::insert(mark)
            .on_conflict(unless_revoked)
            .exec_without_returning(&self.connection)
            .await;
        Ok(self.checked(rows)? == 1)
    }

    async fn revoke_grants_of(
        &self,
        user: &UserId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<RevokedGrant>, StoreError> {
        let (Some(user), Some(client)) = (storable(user.as_str()), storable(client.as_str()))
        else {
            return Ok(Vec::new());
        };
        let whose = Column::ClientId.eq(client).and(Column::UserId.eq(user));
        self.revoke_where(whose, now).await
    }

    async fn revoke_grants_of_session(
        &self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Vec<RevokedGrant>, StoreError> {
        let Some(session) = storable(session.as_str()) else {
            return Ok(Vec::new());
        };
        self.revoke_where(Column::SessionId.eq(session), now).await
    }

    async fn sweep_grants(&self, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let expired = Query::select()
            .column(Column::Id)
            .from(grant::Entity)
            .and_where(Column::ExpiresAt.lt(now.0))
            .order_by(Column::ExpiresAt, sea_orm::Order::Asc)
            .limit(row_limit(limit))
            .take();
        let swept = grant::Entity::delete_many()
            .filter(Column::Id.in_subquery(expired))
            .exec(&self.connection)
            .await;
        Ok(self.checked(swept)?.rows_affected)
    }
}

impl Sql<DatabaseTransaction> {
    async fn revoke_where(
        &self,
        condition: SimpleExpr,
        now: Timestamp,
    ) -> Result<Vec<RevokedGrant>, StoreError> {
        let update = Query::update()
            .table(grant::Entity)
            .value(Column::RevokedAt, now.0)
            .and_where(condition)
            .and_where(Column::RevokedAt.is_null())
            .returning(Query::returning().columns([Column::Id, Column::ClientId]))
            .take();
        let statement = self.connection.get_database_backend().build(&update);
        let rows = self.connection.query_all_raw(statement).await;
        let revoked: Result<Vec<RevokedGrant>, DbErr> = self
            .checked(rows)?
            .iter()
            .map(|row| {
                Ok(RevokedGrant {
                    id: GrantId::new(row.try_get_by_index::<String>(0)?),
                    client: ClientId::new(row.try_get_by_index::<String>(1)?),
                })
            })
            .collect();
        self.checked(revoked)
    }
}

fn to_row(grant: &Grant, expires_at: Timestamp) -> Result<grant::ActiveModel, StoreError> {
    let id = grant.id.as_str();
    let json = serde_json::to_string(grant).map_err(|_| corrupt("grant", id))?;
    let owner = grant.owner.as_ref();
    let session = owner.map(|owner| owner.authentication.session.as_str().to_owned());
    Ok(grant::ActiveModel {
        id: Set(id.to_owned()),
        user_id: Set(grant.subject().map(|user| user.as_str().to_owned())),
        client_id: Set(grant.client.as_str().to_owned()),
        session_id: Set(session),
        grant_json: Set(Some(json)),
        expires_at: Set(expires_at.0),
        redeemed_at: Set(Some(grant.granted_at.0)),
        revoked_at: Set(None),
    })
}

/// A grant that was redeemed stays as it is; the mark of one that was revoked first becomes a revoked
/// grant.
fn unless_redeemed() -> OnConflict {
    OnConflict::column(Column::Id)
        .update_columns([
            Column::UserId,
            Column::ClientId,
            Column::SessionId,
            Column::GrantJson,
            Column::ExpiresAt,
            Column::RedeemedAt,
        ])
        .action_and_where(Column::RedeemedAt.is_null())
        .to_owned()
}
