//! Roles, permissions, groups and who has them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait as _, JoinType,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, RelationTrait as _, Set,
    sea_query::{Expr, ExprTrait as _, Query, SelectStatement, UnionType},
};

use super::{
    Sql,
    entities::{group, group_member, group_role, permission, role, role_assignment},
    storable,
};
use crate::{
    application::ports::{Change, Roles, RolesMut, StoreError},
    domain::{
        id::{GroupId, RoleId, UserId},
        role::{Authority, Group, Permission, Role},
    },
};

#[async_trait]
impl<C: ConnectionTrait + Send> Roles for Sql<C> {
    async fn role_by_name(&self, name: &str) -> Result<Option<Role>, StoreError> {
        let Some(name) = storable(name) else {
            return Ok(None);
        };
        let rows = role::Entity::find()
            .filter(role::COLUMN.name.eq(name))
            .find_with_related(permission::Entity)
            .all(&self.connection)
            .await;
        Ok(self.checked(rows)?.into_iter().next().map(to_role))
    }

    async fn roles(&self) -> Result<Vec<Role>, StoreError> {
        let rows = role::Entity::find()
            .order_by_asc(role::COLUMN.name)
            .find_with_related(permission::Entity)
            .all(&self.connection)
            .await;
        Ok(self.checked(rows)?.into_iter().map(to_role).collect())
    }

    async fn group_by_name(&self, name: &str) -> Result<Option<Group>, StoreError> {
        let Some(name) = storable(name) else {
            return Ok(None);
        };
        let rows = group::Entity::find()
            .filter(group::COLUMN.name.eq(name))
            .find_with_related(group_role::Entity)
            .all(&self.connection)
            .await;
        Ok(self.checked(rows)?.into_iter().next().map(to_group))
    }

    async fn authority(&self, user: &UserId) -> Result<Authority, StoreError> {
        let Some(user) = storable(user.as_str()) else {
            return Ok(Authority::default());
        };
        let groups = group_names(&self.connection, user).await;
        let roles = roles_of(&self.connection, user).await;
        let mut authority = Authority {
            groups: self.checked(groups)?,
            ..Authority::default()
        };
        for (role, permissions) in self.checked(roles)? {
            authority.roles.insert(role.name);
            authority
                .permissions
                .extend(permissions.into_iter().map(to_permission));
        }
        Ok(authority)
    }
}

async fn group_names(
    connection: &impl ConnectionTrait,
    user: &str,
) -> Result<BTreeSet<String>, DbErr> {
    let names: Vec<String> = group_member::Entity::find()
        .filter(group_member::COLUMN.user_id.eq(user))
        .join(JoinType::InnerJoin, group_member::Relation::Group.def())
        .select_only()
        .column(group::Column::Name)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(names.into_iter().collect())
}

/// A user's roles, own and through groups.
async fn roles_of(
    connection: &impl ConnectionTrait,
    user: &str,
) -> Result<Vec<(role::Model, Vec<permission::Model>)>, DbErr> {
    role::Entity::find()
        .filter(role::Column::Id.in_subquery(role_ids_of(user)))
        .find_with_related(permission::Entity)
        .all(connection)
        .await
}

fn role_ids_of(user: &str) -> SelectStatement {
    let through_groups = Query::select()
        .column((group_role::Entity, group_role::Column::RoleId))
        .from(group_member::Entity)
        .inner_join(
            group_role::Entity,
            Expr::col((group_role::Entity, group_role::Column::GroupId))
                .equals((group_member::Entity, group_member::Column::GroupId)),
        )
        .and_where(group_member::COLUMN.user_id.eq(user))
        .take();
    Query::select()
        .column(role_assignment::Column::RoleId)
        .from(role_assignment::Entity)
        .and_where(role_assignment::COLUMN.user_id.eq(user))
        .union(UnionType::Distinct, through_groups)
        .take()
}

#[async_trait]
impl RolesMut for Sql<DatabaseTransaction> {
    async fn add_role(&self, role: &Role) -> Result<(), StoreError> {
        let row = role::ActiveModel {
            id: Set(role.id.as_str().to_owned()),
            name: Set(role.name.clone()),
            description: Set(role.description.clone()),
        };
        let added = role::Entity::insert(row).exec_without_returning(&self.connection);
        self.checked(added.await)?;
        self.add_permissions(role).await
    }

    async fn update_role(&self, role: &Role) -> Result<(), StoreError> {
        self.touch(Change::Authorities);
        let updated = role::Entity::update_many()
            .col_expr(role::Column::Description, role.description.clone().into())
            .filter(role::COLUMN.id.eq(role.id.as_str()))
            .exec(&self.connection)
            .await;
        self.checked(updated)?;
        let cleared = permission::Entity::delete_many()
            .filter(permission::COLUMN.role_id.eq(role.id.as_str()))
            .exec(&self.connection)
            .await;
        self.checked(cleared)?;
        self.add_permissions(role).await
    }

    async fn add_group(&self, group: &Group) -> Result<(), StoreError> {
        let row = group::ActiveModel {
            id: Set(group.id.as_str().to_owned()),
            name: Set(group.name.clone()),
        };
        let added = group::Entity::insert(row).exec_without_returning(&self.connection);
        self.checked(added.await)?;
        let roles = group.roles.iter().map(|role| group_role::ActiveModel {
            group_id: Set(group.id.as_str().to_owned()),
            role_id: Set(role.as_str().to_owned()),
        });
        let added = group_role::Entity::insert_many(roles)
            .exec_without_returning(&self.connection)
            .await;
        self.checked(added).map(drop)
    }

    async fn assign_role(&self, user: &UserId, role: &RoleId) -> Result<(), StoreError> {
        self.touch(Change::Authority(user.clone()));
        let row = role_assignment::ActiveModel {
            user_id: Set(user.as_str().to_owned()),
            role_id: Set(role.as_str().to_owned()),
        };
        let assigned = role_assignment::Entity::insert(row)
            .on_conflict_do_nothing()
            .exec_without_returning(&self.connection)
            .await;
        self.checked(assigned).map(drop)
    }

    async fn unassign_role(&self, user: &UserId, role: &RoleId) -> Result<(), StoreError> {
        self.touch(Change::Authority(user.clone()));
        let removed = role_assignment::Entity::delete_many()
            .filter(role_assignment::COLUMN.user_id.eq(user.as_str()))
            .filter(role_assignment::COLUMN.role_id.eq(role.as_str()))
            .exec(&self.connection)
            .await;
        self.checked(removed).map(drop)
    }

    async fn join_group(&self, user: &UserId, group: &GroupId) -> Result<(), StoreError> {
        self.touch(Change::Authority(user.clone()));
        let row = group_member::ActiveModel {
            user_id: Set(user.as_str().to_owned()),
            group_id: Set(group.as_str().to_owned()),
        };
        let joined = group_member::Entity::insert(row)
            .on_conflict_do_nothing()
            .exec_without_returning(&self.connection)
            .await;
        self.checked(joined).map(drop)
    }
}

impl Sql<DatabaseTransaction> {
    async fn add_permissions(&self, role: &Role) -> Result<(), StoreError> {
        let rows = role.permissions.iter().map(|held| permission::ActiveModel {
            role_id: Set(role.id.as_str().to_owned()),
            name: Set(held.name.clone()),
            resource: Set(held.resource.clone().unwrap_or_default()),
        });
        let added = permission::Entity::insert_many(rows)
            .exec_without_returning(&self.connection)
            .await;
        self.checked(added).map(drop)
    }
}

fn to_role((row, permissions): (role::Model, Vec<permission::Model>)) -> Role {
    Role {
        id: RoleId::new(row.id),
        name: row.name,
        description: row.description,
        permissions: permissions.into_iter().map(to_permission).collect(),
    }
}

fn to_permission(row: permission::Model) -> Permission {
    Permission {
        name: row.name,
        resource: (!row.resource.is_empty()).then_some(row.resource),
    }
}

fn to_group((row, roles): (group::Model, Vec<group_role::Model>)) -> Group {
    Group {
        id: GroupId::new(row.id),
        name: row.name,
        roles: roles
            .into_iter()
            .map(|row| RoleId::new(row.role_id))
            .collect(),
    }
}
