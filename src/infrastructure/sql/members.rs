//! The users of roles and groups, page by page along the index that finds them.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};

use super::{
    Sql,
    entities::{group_member, role_assignment, user},
    page_start, row_limit,
    users::to_user,
};
use crate::{
    application::ports::{Members, Page, StoreError},
    domain::{
        id::{GroupId, RoleId},
        user::User,
    },
};

#[async_trait]
impl<C: ConnectionTrait + Send> Members for Sql<C> {
    async fn users_with_role(&self, role: &RoleId, page: &Page) -> Result<Vec<User>, StoreError> {
        use role_assignment::{Column, Entity};
        let given = Entity::find().filter(Column::RoleId.eq(role.as_str()));
        self.users_along(given, Column::UserId, page).await
    }

    async fn users_in_group(&self, group: &GroupId, page: &Page) -> Result<Vec<User>, StoreError> {
        use group_member::{Column, Entity};
        let members = Entity::find().filter(Column::GroupId.eq(group.as_str()));
        self.users_along(members, Column::UserId, page).await
    }
}

impl<C: ConnectionTrait + Send> Sql<C> {
    /// The users whom a page of these rows names.
    async fn users_along<E: EntityTrait>(
        &self,
        rows: Select<E>,
        user: E::Column,
        page: &Page,
    ) -> Result<Vec<User>, StoreError> {
        let ids = rows
            .select_only()
            .column(user)
            .filter(user.gt(page_start(page.after.as_deref()).unwrap_or_default()))
            .order_by_asc(user)
            .limit(row_limit(page.limit))
            .into_tuple()
            .all(&self.connection)
            .await;
        let ids: Vec<String> = self.checked(ids)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = user::Entity::find()
            .filter(user::Column::Id.is_in(ids))
            .all(&self.connection)
            .await;
        let users = self.checked(rows)?.into_iter().map(to_user);
        let mut users: Vec<User> = users.collect::<Result<_, _>>()?;
        users.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
        Ok(users)
    }
}
