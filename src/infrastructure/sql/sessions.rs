//! Where users are signed in.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Set,
    sea_query::{OnConflict, Query},
};

use super::{
    Sql,
    entities::user_session::{self, Column},
    row_limit, storable,
};
use crate::{
    application::ports::{StoreError, Touched, UserSessions, UserSessionsMut},
    domain::{
        id::{ClientId, SessionId, UserId},
        time::Timestamp,
        user_session::UserSession,
    },
};

#[async_trait]
impl<C: ConnectionTrait + Send> UserSessions for Sql<C> {
    async fn sessions_of(&self, user: &UserId, limit: u64) -> Result<Vec<UserSession>, StoreError> {
        let Some(user) = storable(user.as_str()) else {
            return Ok(Vec::new());
        };
        let rows = user_session::Entity::find()
            .filter(Column::UserId.eq(user))
            .order_by_desc(Column::SeenAt)
            .order_by_desc(Column::Id)
            .limit(row_limit(limit))
            .all(&self.connection)
            .await;
        Ok(self.checked(rows)?.into_iter().map(to_session).collect())
    }
}

#[async_trait]
impl UserSessionsMut for Sql<DatabaseTransaction> {
    async fn put_session(&self, session: &UserSession) -> Result<(), StoreError> {
        let text = |text: &Option<String>| text.as_deref().and_then(storable).map(str::to_owned);
        let row = user_session::ActiveModel {
            id: Set(session.id.as_str().to_owned()),
            user_id: Set(session.user.as_str().to_owned()),
            security_version: Set(session.security_version.cast_signed()),
            started_at: Set(session.started_at.0),
            seen_at: Set(session.seen_at.0),
            expires_at: Set(session.expires_at.0),
            address: Set(text(&session.address)),
            agent: Set(text(&session.agent)),
            client_id: Set(session.client.as_ref().map(|it| it.as_str().to_owned())),
        };
        let known = OnConflict::column(Column::Id)
            .update_columns([
                Column::SecurityVersion,
                Column::SeenAt,
                Column::ExpiresAt,
                Column::Address,
                Column::Agent,
            ])
            .to_owned();
        let put = user_session::Entity::insert(row)
            .on_conflict(known)
            .exec_without_returning(&self.connection);
        self.checked(put.await).map(drop)
    }

    async fn touch_session(&self, session: &Touched<'_>) -> Result<(), StoreError> {
        let version = session.security_version.cast_signed();
        let touched = user_session::Entity::update_many()
            .col_expr(Column::SecurityVersion, version.into())
            .col_expr(Column::SeenAt, session.seen_at.0.into())
            .col_expr(Column::ExpiresAt, session.expires_at.0.into())
            .filter(Column::Id.eq(session.id.as_str()))
            .exec(&self.connection);
        self.checked(touched.await).map(drop)
    }

    async fn delete_session(&self, session: &SessionId) -> Result<bool, StoreError> {
        let Some(id) = storable(session.as_str()) else {
            return Ok(false);
        };
        let deleted = user_session::Entity::delete_by_id(id).exec(&self.connection);
        Ok(self.checked(deleted.await)?.rows_affected > 0)
    }

    async fn sweep_sessions(&self, moment: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let expired = Query::select()
            .column(Column::Id)
            .from(user_session::Entity)
            .and_where(Column::ExpiresAt.lt(moment.0))
            .order_by(Column::ExpiresAt, sea_orm::Order::Asc)
            .limit(row_limit(limit))
            .take();
        let swept = user_session::Entity::delete_many()
            .filter(Column::Id.in_subquery(expired))
            .exec(&self.connection)
            .await;
        Ok(self.checked(swept)?.rows_affected)
    }
}

fn to_session(row: user_session::Model) -> UserSession {
    UserSession {
        id: SessionId::new(row.id),
        user: UserId::new(row.user_id),
        security_version: row.security_version.cast_unsigned(),
        started_at: Timestamp(row.started_at),
        seen_at: Timestamp(row.seen_at),
        expires_at: Timestamp(row.expires_at),
        address: row.address,
        agent: row.agent,
        client: row.client_id.map(ClientId::new),
    }
}
