//! Login statistics.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, EntityTrait as _, ExprTrait as _, FromQueryResult,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
    sea_query::{Expr, OnConflict},
};

use super::{
    Sql,
    entities::login_statistics::{self, COLUMN, Column},
    storable,
};
use crate::{
    application::ports::{DailyLogins, LoginCount, Statistics, StatisticsMut, StoreError},
    domain::{
        id::{ClientId, UserId},
        time::Day,
    },
};

#[derive(FromQueryResult)]
struct Sums {
    day: i64,
    succeeded: i64,
    failed: i64,
}

#[async_trait]
impl<C: ConnectionTrait + Send> Statistics for Sql<C> {
    async fn daily_logins(&self, first: Day, last: Day) -> Result<Vec<DailyLogins>, StoreError> {
        // PostgreSQL's sum of bigint is numeric.
        let sum = |column: Column| Expr::col(column).sum().cast_as("bigint");
        let sums = login_statistics::Entity::find()
            .select_only()
            .column(Column::Day)
            .column_as(sum(Column::Succeeded), "succeeded")
            .column_as(sum(Column::Failed), "failed")
            .filter(COLUMN.day.between(first.0, last.0))
            .group_by(Column::Day)
            .order_by_asc(COLUMN.day)
            .into_model::<Sums>()
            .all(&self.connection);
        let sums = self.checked(sums.await)?;
        Ok(sums
            .into_iter()
            .map(|sum| DailyLogins {
                day: Day(sum.day),
                succeeded: sum.succeeded.unsigned_abs(),
                failed: sum.failed.unsigned_abs(),
            })
            .collect())
    }

    async fn logins_of(
        &self,
        user: &UserId,
        first: Day,
        last: Day,
    ) -> Result<Vec<LoginCount>, StoreError> {
        let Some(user) = storable(user.as_str()) else {
            return Ok(Vec::new());
        };
        let rows = login_statistics::Entity::find()
            .filter(COLUMN.user_id.eq(user))
            .filter(COLUMN.day.between(first.0, last.0))
            .order_by_asc(COLUMN.day)
            .all(&self.connection);
        Ok(self
            .checked(rows.await)?
            .into_iter()
            .map(to_count)
            .collect())
    }

    async fn has_logged_in(&self, user: &UserId) -> Result<bool, StoreError> {
        let Some(user) = storable(user.as_str()) else {
            return Ok(false);
        };
        let rows = login_statistics::Entity::find()
            .filter(COLUMN.user_id.eq(user))
            .filter(COLUMN.succeeded.gt(0))
            .order_by_asc(COLUMN.day)
            .limit(1)
            .all(&self.connection);
        Ok(!self.checked(rows.await)?.is_empty())
    }
}

#[async_trait]
impl StatisticsMut for Sql<DatabaseTransaction> {
    async fn count_logins(&self, counts: &[LoginCount]) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        let mut both = OnConflict::columns([Column::Day, Column::UserId, Column::ClientId]);
        for column in [Column::Succeeded, Column::Failed] {
            let present = Expr::col((login_statistics::Entity, column));
            both.value(column, present.add(Expr::col(("excluded", column))));
        }
        let added = login_statistics::Entity::insert_many(counts.iter().map(to_row))
            .on_conflict(both)
            .exec_without_returning(&self.connection);
        self.checked(added.await).map(drop)
    }
}

fn to_row(count: &LoginCount) -> login_statistics::ActiveModel {
    let signed = |count: u64| Set(i64::try_from(count).unwrap_or(i64::MAX));
    let visible = |text: &str| text.replace('\0', "\u{fffd}");
    login_statistics::ActiveModel {
        day: Set(count.day.0),
        user_id: Set(count
            .user
            .as_ref()
            .map_or(String::new(), |id| visible(id.as_str()))),
        client_id: Set(count
            .client
            .as_ref()
            .map_or(String::new(), |id| visible(id.as_str()))),
        succeeded: signed(count.succeeded),
        failed: signed(count.failed),
    }
}

fn to_count(row: login_statistics::Model) -> LoginCount {
    let some = |text: String| (!text.is_empty()).then_some(text);
    LoginCount {
        day: Day(row.day),
        user: some(row.user_id).map(UserId::new),
        client: some(row.client_id).map(ClientId::new),
        succeeded: row.succeeded.unsigned_abs(),
        failed: row.failed.unsigned_abs(),
    }
}
