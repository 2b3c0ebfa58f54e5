//! Signing keys. Private ones come and go sealed.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _, Set,
    sea_query::OnConflict,
};

use super::{
    Sql,
    entities::signing_key::{self, COLUMN, Column},
    error::corrupt,
    storable,
};
use crate::{
    application::ports::{Change, Keys, KeysMut, StoreError},
    domain::{key::ServerKey, time::Timestamp},
};

#[async_trait]
impl<C: ConnectionTrait + Send> Keys for Sql<C> {
    async fn signing_keys(&self) -> Result<Vec<ServerKey>, StoreError> {
        let rows = signing_key::Entity::find()
            .order_by_asc(COLUMN.algorithm)
            .order_by_asc(COLUMN.generation)
            .all(&self.connection)
            .await;
        self.checked(rows)?.into_iter().map(to_key).collect()
    }
}

#[async_trait]
impl KeysMut for Sql<DatabaseTransaction> {
    async fn add_signing_key(&self, key: &ServerKey) -> Result<bool, StoreError> {
        let row = signing_key::ActiveModel {
            kid: Set(key.kid.clone()),
            algorithm: Set(key.algorithm.as_str().to_owned()),
            generation: Set(key.generation),
            sealed_private: Set(key.sealed_private.clone()),
            public_jwk: Set(key.public_jwk.to_string()),
            published_at: Set(key.published_at.0),
            active_at: Set(key.active_at.0),
            retires_at: Set(key.retires_at.0),
            dead_at: Set(key.dead_at.0),
        };
        let first_comes = OnConflict::columns([Column::Algorithm, Column::Generation])
            .do_nothing()
            .to_owned();
        let rows = signing_key::Entity::insert(row)
            .on_conflict(first_comes)
            .exec_without_returning(&self.connection)
            .await;
        self.touch(Change::Keys);
        Ok(self.checked(rows)? == 1)
    }

    async fn set_signing_key_times(&self, key: &ServerKey) -> Result<(), StoreError> {
        self.touch(Change::Keys);
        let updated = signing_key::Entity::update_many()
            .col_expr(Column::PublishedAt, key.published_at.0.into())
            .col_expr(Column::ActiveAt, key.active_at.0.into())
            .col_expr(Column::RetiresAt, key.retires_at.0.into())
            .col_expr(Column::DeadAt, key.dead_at.0.into())
            .filter(COLUMN.kid.eq(key.kid.as_str()))
            .exec(&self.connection)
            .await;
        self.checked(updated).map(drop)
    }

    async fn delete_signing_key(&self, kid: &str) -> Result<(), StoreError> {
        let Some(kid) = storable(kid) else {
            return Ok(());
        };
        self.touch(Change::Keys);
        let deleted = signing_key::Entity::delete_by_id(kid).exec(&self.connection);
        self.checked(deleted.await).map(drop)
    }
}

fn to_key(row: signing_key::Model) -> Result<ServerKey, StoreError> {
    let unreadable = || corrupt("signing key", &row.kid);
    Ok(ServerKey {
        algorithm: row.algorithm.parse().map_err(|_| unreadable())?,
        public_jwk: serde_json::from_str(&row.public_jwk).map_err(|_| unreadable())?,
        kid: row.kid,
        generation: row.generation,
        sealed_private: row.sealed_private,
        published_at: Timestamp(row.published_at),
        active_at: Timestamp(row.active_at),
        retires_at: Timestamp(row.retires_at),
        dead_at: Timestamp(row.dead_at),
    })
}
