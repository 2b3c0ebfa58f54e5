//! Consents.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _, Set,
    sea_query::OnConflict,
};

use super::{Sql, entities::consent, error::corrupt, only, storable};
use crate::{
    application::ports::{Change, Consents, ConsentsMut, StoreError},
    domain::{
        consent::Consent,
        id::{ClientId, UserId},
        time::Timestamp,
    },
};

#[async_trait]
impl<C: ConnectionTrait + Send> Consents for Sql<C> {
    async fn consent(
        &self,
        user: &UserId,
        client: &ClientId,
    ) -> Result<Option<Consent>, StoreError> {
        let Some(key) = key(user, client) else {
            return Ok(None);
        };
        let row = only(consent::Entity::find_by_id(key).all(&self.connection)).await;
        self.checked(row)?.map(to_consent).transpose()
    }

    async fn consents_of(&self, user: &UserId) -> Result<Vec<Consent>, StoreError> {
        let Some(user) = storable(user.as_str()) else {
            return Ok(Vec::new());
        };
        let rows = consent::Entity::find()
            .filter(consent::COLUMN.user_id.eq(user))
            .order_by_asc(consent::COLUMN.client_id)
            .all(&self.connection)
            .await;
        self.checked(rows)?.into_iter().map(to_consent).collect()
    }
}

#[async_trait]
impl ConsentsMut for Sql<DatabaseTransaction> {
    async fn put_consent(&self, consent: &Consent) -> Result<(), StoreError> {
        use consent::Column;
        self.touch(Change::Consent(
            consent.user.clone(),
            consent.client.clone(),
        ));
        let row = consent::ActiveModel {
            user_id: Set(consent.user.as_str().to_owned()),
            client_id: Set(consent.client.as_str().to_owned()),
            scope: Set(consent.scope.to_string()),
            granted_at: Set(consent.granted_at.0),
            claims: Set(consent.claims.iter().cloned().collect::<Vec<_>>().join(" ")),
        };
        let replace = OnConflict::columns([Column::UserId, Column::ClientId])
            .update_columns([Column::Scope, Column::GrantedAt, Column::Claims])
            .to_owned();
        let stored = consent::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.connection)
            .await;
        self.checked(stored).map(drop)
    }

    async fn delete_consent(&self, user: &UserId, client: &ClientId) -> Result<bool, StoreError> {
        let Some(key) = key(user, client) else {
            return Ok(false);
        };
        self.touch(Change::Consent(user.clone(), client.clone()));
        let deleted = consent::Entity::delete_by_id(key).exec(&self.connection);
        Ok(self.checked(deleted.await)?.rows_affected == 1)
    }
}

fn key(user: &UserId, client: &ClientId) -> Option<(String, String)> {
    let user = storable(user.as_str())?;
    let client = storable(client.as_str())?;
    Some((user.to_owned(), client.to_owned()))
}

fn to_consent(row: consent::Model) -> Result<Consent, StoreError> {
    Ok(Consent {
        scope: row
            .scope
            .parse()
            .map_err(|_| corrupt("consent", &row.user_id))?,
        user: UserId::new(row.user_id),
        client: ClientId::new(row.client_id),
        granted_at: Timestamp(row.granted_at),
        claims: row.claims.split_whitespace().map(str::to_owned).collect(),
    })
}
