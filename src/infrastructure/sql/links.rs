//! Links and codes that work once.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, ExprTrait as _,
    IntoSimpleExpr as _, PaginatorTrait as _, QueryFilter as _, Set, sea_query::Query,
};

use super::{
    Sql,
    entities::one_time_link::{self, Column},
    error::corrupt,
    row_limit, storable,
};
use crate::{
    application::ports::{Links, LinksMut, StoreError},
    domain::{
        id::UserId,
        one_time::{OneTimeLink, Purpose},
        secret::SecretDigest,
        time::Timestamp,
        user::Email,
    },
};

#[async_trait]
impl<C: ConnectionTrait + Send> Links for Sql<C> {
    async fn link_by_secret(
        &self,
        secret: &SecretDigest,
    ) -> Result<Option<OneTimeLink>, StoreError> {
        let rows = one_time_link::Entity::find()
            .filter(Column::SecretDigest.eq(secret.as_str()))
            .filter(Column::UsedAt.is_null())
            .all(&self.connection)
            .await;
        self.checked(rows)?.pop().map(to_link).transpose()
    }

    async fn links_since(
        &self,
        email: &Email,
        purpose: Purpose,
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        let Some(email) = storable(email.as_str()) else {
            return Ok(0);
        };
        let count = one_time_link::Entity::find()
            .filter(Column::Email.eq(email))
            .filter(Column::Purpose.eq(purpose.as_str()))
            .filter(Column::CreatedAt.gte(since.0))
            .count(&self.connection)
            .await;
        self.checked(count)
    }
}

#[async_trait]
impl LinksMut for Sql<DatabaseTransaction> {
    async fn add_link(&self, link: &OneTimeLink) -> Result<(), StoreError> {
        let row = one_time_link::ActiveModel {
            id: Set(link.id.clone()),
            secret_digest: Set(link.secret.as_str().to_owned()),
            sealed_code: Set(link.sealed_code.clone()),
            purpose: Set(link.purpose.as_str().to_owned()),
            user_id: Set(link.user.as_ref().map(|user| user.as_str().to_owned())),
            email: Set(link.email.as_ref().map(|email| email.as_str().to_owned())),
            security_version: Set(link.security_version.cast_signed()),
            way_on: Set(link.way_on.clone()),
            tries: Set(0),
            created_at: Set(link.created_at.0),
            expires_at: Set(link.expires_at.0),
            used_at: Set(None),
        };
        let added = one_time_link::Entity::insert(row).exec_without_returning(&self.connection);
        self.checked(added.await).map(drop)
    }

    async fn try_link(
        &self,
        id: &str,
        most: u32,
        now: Timestamp,
    ) -> Result<Option<OneTimeLink>, StoreError> {
        let Some(id) = storable(id) else {
            return Ok(None);
        };
        let counted = one_time_link::Entity::update_many()
            .col_expr(Column::Tries, Column::Tries.into_simple_expr().add(1))
            .filter(Column::Id.eq(id))
            .filter(Column::Tries.lt(i64::from(most)))
            .filter(Column::UsedAt.is_null())
            .filter(Column::ExpiresAt.gt(now.0))
            .exec(&self.connection)
            .await;
        if self.checked(counted)?.rows_affected == 0 {
            return Ok(None);
        }
        let rows = one_time_link::Entity::find_by_id(id).all(&self.connection);
        self.checked(rows.await)?.pop().map(to_link).transpose()
    }

    async fn use_link(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let Some(id) = storable(id) else {
            return Ok(false);
        };
        let used = one_time_link::Entity::update_many()
            .col_expr(Column::UsedAt, now.0.into())
            .filter(Column::Id.eq(id))
            .filter(Column::UsedAt.is_null())
            .filter(Column::ExpiresAt.gt(now.0))
            .exec(&self.connection)
            .await;
        Ok(self.checked(used)?.rows_affected == 1)
    }

    async fn sweep_links(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let expired = Query::select()
            .column(Column::Id)
            .from(one_time_link::Entity)
            .and_where(Column::ExpiresAt.lt(moment.0))
            .order_by(Column::ExpiresAt, sea_orm::Order::Asc)
            .limit(row_limit(limit))
            .take();
        let swept = one_time_link::Entity::delete_many()
            .filter(Column::Id.in_subquery(expired))
            .exec(&self.connection)
            .await;
        Ok(self.checked(swept)?.rows_affected)
    }
}

fn to_link(row: one_time_link::Model) -> Result<OneTimeLink, StoreError> {
    let unreadable = || corrupt("one-time link", &row.id);
    let email = row.email.as_deref().map(Email::parse).transpose();
    Ok(OneTimeLink {
        purpose: row.purpose.parse().map_err(|_| unreadable())?,
        email: email.map_err(|_| unreadable())?,
        secret: SecretDigest::stored(row.secret_digest),
        sealed_code: row.sealed_code,
        user: row.user_id.map(UserId::new),
        security_version: row.security_version.cast_unsigned(),
        way_on: row.way_on,
        created_at: Timestamp(row.created_at),
        expires_at: Timestamp(row.expires_at),
        id: row.id,
    })
}
