//! Grants: each is redeemed once, and revoked for good even if the revocation comes first.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
    Set,
    sea_query::{OnConflict, Query},
};

use super::{
    Sql,
    entities::grant::{self, Column},
    error::corrupt,
    row_limit, storable,
};
use crate::{
    application::ports::{Grants, GrantsMut, StoreError},
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
        let row = grant::Entity::find_by_id(id).one(&self.connection).await;
        let Some(row) = self.checked(row)? else {
            return Ok(None);
        };
        row.grant_json
            .map(|json| {
                Ok(GrantRecord {
                    grant: serde_json::from_str(&json).map_err(|_| corrupt("grant", id))?,
                    expires_at: Timestamp(row.expires_at),
                    revoked_at: row.revoked_at.map(Timestamp),
                })
            })
            .transpose()
    }
}

#[async_trait]
impl GrantsMut for Sql<DatabaseTransaction> {
    async fn redeem_grant(&self, grant: &Grant, expires_at: Timestamp) -> Result<bool, StoreError> {
        let id = grant.id.as_str();
        let json = serde_json::to_string(grant).map_err(|_| corrupt("grant", id))?;
        let owner = grant.owner.as_ref();
        let session = owner.map(|owner| owner.authentication.session.as_str().to_owned());
        let row = grant::ActiveModel {
            id: Set(id.to_owned()),
            user_id: Set(grant.subject().map(|user| user.as_str().to_owned())),
            client_id: Set(grant.client.as_str().to_owned()),
            session_id: Set(session),
            grant_json: Set(Some(json)),
            expires_at: Set(expires_at.0),
            redeemed_at: Set(Some(grant.granted_at.0)),
            revoked_at: Set(None),
        };
        let unless_redeemed = OnConflict::column(Column::Id)
            .update_columns([
                Column::UserId,
                Column::ClientId,
                Column::SessionId,
                Column::GrantJson,
                Column::ExpiresAt,
                Column::RedeemedAt,
            ])
            .action_and_where(Column::RedeemedAt.is_null())
            .to_owned();
        let rows = grant::Entity::insert(row)
            .on_conflict(unless_redeemed)
            .exec_without_returning(&self.connection)
            .await;
        Ok(self.checked(rows)? == 1)
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
    ) -> Result<u64, StoreError> {
        let (Some(user), Some(client)) = (storable(user.as_str()), storable(client.as_str()))
        else {
            return Ok(0);
        };
        let revoked = grant::Entity::update_many()
            .col_expr(Column::RevokedAt, now.0.into())
            .filter(Column::ClientId.eq(client))
            .filter(Column::UserId.eq(user))
            .filter(Column::RevokedAt.is_null())
            .exec(&self.connection)
            .await;
        Ok(self.checked(revoked)?.rows_affected)
    }

    async fn revoke_grants_of_session(
        &self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let Some(session) = storable(session.as_str()) else {
            return Ok(0);
        };
        let revoked = grant::Entity::update_many()
            .col_expr(Column::RevokedAt, now.0.into())
            .filter(Column::SessionId.eq(session))
            .filter(Column::RevokedAt.is_null())
            .exec(&self.connection)
            .await;
        Ok(self.checked(revoked)?.rows_affected)
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
