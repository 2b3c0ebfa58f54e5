//! Roles, permissions, groups and who has them.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait as _, JoinType,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, RelationTrait as _, Set,
    sea_query::{Expr, OnConflict, Query, SelectStatement, UnionType},
};
use serde_json::Value;

use super::{
    Sql,
    entities::{
        group, group_member, group_role, permission, role, role_assignment, user, user_claim,
    },
    error::corrupt,
    storable,
    users::ACTIVE,
};
use crate::{
    application::ports::{Change, Membership, Roles, RolesMut, StoreError},
    domain::{
        administration::EVERYTHING,
        id::{GroupId, RoleId, UserId},
        role::{Authority, Group, MAX_NESTING, Permission, Role},
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

    async fn groups(&self) -> Result<Vec<Group>, StoreError> {
        let rows = group::Entity::find()
            .order_by_asc(group::COLUMN.name)
            .find_with_related(group_role::Entity)
            .all(&self.connection)
            .await;
        Ok(self.checked(rows)?.into_iter().map(to_group).collect())
    }

    async fn authority(&self, user: &UserId) -> Result<Authority, StoreError> {
        let Some(user) = storable(user.as_str()) else {
            return Ok(Authority::default());
        };
        let groups = groups_of(&self.connection, user).await;
        let groups = self.checked(groups)?;
        let roles = roles_of(&self.connection, user, groups.keys()).await;
        let claims = claims_of(&self.connection, user).await;
        let mut authority = Authority {
            groups: groups.into_values().collect(),
            claims: to_claims(self.checked(claims)?)?,
            ..Authority::default()
        };
        for (role, permissions) in self.checked(roles)? {
            for held in permissions {
                let holders = authority.permissions.entry(to_permission(held));
                holders.or_default().insert(role.name.clone());
            }
            authority.roles.insert(role.name);
        }
        Ok(authority)
    }

    async fn membership(&self, user: &UserId) -> Result<Membership, StoreError> {
        let Some(user) = storable(user.as_str()) else {
            return Ok(Membership::default());
        };
        let given = Query::select()
            .column(role_assignment::Column::RoleId)
            .from(role_assignment::Entity)
            .and_where(role_assignment::COLUMN.user_id.eq(user))
            .take();
        let roles = role::Entity::find()
            .filter(role::Column::Id.in_subquery(given))
            .all(&self.connection)
            .await;
        let groups = group_member::Entity::find()
            .filter(group_member::COLUMN.user_id.eq(user))
            .all(&self.connection)
            .await;
        let claims = claims_of(&self.connection, user).await;
        let (roles, groups) = (self.checked(roles)?, self.checked(groups)?);
        Ok(Membership {
            claims: to_claims(self.checked(claims)?)?,
            roles: roles.into_iter().map(|role| role.name).collect(),
            groups: groups
                .into_iter()
                .map(|row| GroupId::new(row.group_id))
                .collect(),
        })
    }

    async fn has_owner(&self) -> Result<bool, StoreError> {
        let roles = role_ids_with_everything(&self.connection).await;
        let roles = self.checked(roles)?;
        let all = self.groups().await?;
        let carries = |group: &Group| group.roles.iter().any(|role| roles.contains(role.as_str()));
        let groups: Vec<&str> = all
            .iter()
            .filter(|group| group.outwards(&all).any(carries))
            .map(|group| group.id.as_str())
            .collect();
        let is_groupless = groups.is_empty();
        let own = Query::select()
            .column(role_assignment::Column::UserId)
            .from(role_assignment::Entity)
            .and_where(role_assignment::Column::RoleId.is_in(&roles))
            .take();
        let through_groups = Query::select()
            .column(group_member::Column::UserId)
            .from(group_member::Entity)
            .and_where(group_member::Column::GroupId.is_in(groups))
            .take();
        for (holders, is_none) in [(own, roles.is_empty()), (through_groups, is_groupless)] {
            if is_none {
                continue;
            }
            // Few hold everything: all of them are read.
            let owners: Result<Vec<String>, DbErr> = user::Entity::find()
                .filter(user::Column::Id.in_subquery(holders))
                .filter(user::COLUMN.status.eq(ACTIVE))
                .select_only()
                .column(user::Column::Id)
                .into_tuple()
                .all(&self.connection)
                .await;
            if !self.checked(owners)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Roles that hold every permission everywhere.
async fn role_ids_with_everything(
    connection: &impl ConnectionTrait,
) -> Result<BTreeSet<String>, DbErr> {
    let rows = permission::Entity::find()
        .filter(permission::COLUMN.name.eq(EVERYTHING))
        .filter(permission::COLUMN.resource.eq(""))
        .all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| row.role_id).collect())
}

/// The groups of a user and those around them, identifiers with names. Bounded, whatever is stored.
async fn groups_of(
    connection: &impl ConnectionTrait,
    user: &str,
) -> Result<BTreeMap<String, String>, DbErr> {
    let mut found = BTreeMap::new();
    let mut next: Vec<(String, String, Option<String>)> = group_member::Entity::find()
        .filter(group_member::COLUMN.user_id.eq(user))
        .join(JoinType::InnerJoin, group_member::Relation::Group.def())
        .select_only()
        .column(group::Column::Id)
        .column(group::Column::Name)
        .column(group::Column::ParentId)
        .into_tuple()
        .all(connection)
        .await?;
    for _ in 0..MAX_NESTING {
        let mut around = BTreeSet::new();
        for (id, name, parent) in next {
            around.extend(parent);
            found.insert(id, name);
        }
        around.retain(|id| !found.contains_key(id));
        if around.is_empty() {
            break;
        }
        next = group::Entity::find()
            .filter(group::Column::Id.is_in(around))
            .select_only()
            .column(group::Column::Id)
            .column(group::Column::Name)
            .column(group::Column::ParentId)
            .into_tuple()
            .all(connection)
            .await?;
    }
    Ok(found)
}

/// A user's roles, own and through these groups.
async fn roles_of(
    connection: &impl ConnectionTrait,
    user: &str,
    groups: impl Iterator<Item = &String>,
) -> Result<Vec<(role::Model, Vec<permission::Model>)>, DbErr> {
    role::Entity::find()
        .filter(role::Column::Id.in_subquery(role_ids(user, groups)))
        .find_with_related(permission::Entity)
        .all(connection)
        .await
}

fn role_ids<'a>(user: &str, groups: impl Iterator<Item = &'a String>) -> SelectStatement {
    let own = Query::select()
        .column(role_assignment::Column::RoleId)
        .from(role_assignment::Entity)
        .and_where(role_assignment::COLUMN.user_id.eq(user))
        .take();
    let groups: Vec<&str> = groups.map(String::as_str).collect();
    if groups.is_empty() {
        return own;
    }
    let through_groups = Query::select()
        .column(group_role::Column::RoleId)
        .from(group_role::Entity)
        .and_where(group_role::Column::GroupId.is_in(groups))
        .take();
    let mut both = own;
    both.union(UnionType::Distinct, through_groups).take()
}

async fn claims_of(
    connection: &impl ConnectionTrait,
    user: &str,
) -> Result<Vec<user_claim::Model>, DbErr> {
    user_claim::Entity::find()
        .filter(user_claim::COLUMN.user_id.eq(user))
        .all(connection)
        .await
}

fn to_claims(rows: Vec<user_claim::Model>) -> Result<BTreeMap<String, Value>, StoreError> {
    let read = |row: user_claim::Model| {
        let value = serde_json::from_str(&row.value);
        Ok((row.name, value.map_err(|_| corrupt("claim", &row.user_id))?))
    };
    rows.into_iter().map(read).collect()
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

    async fn delete_role(&self, role: &RoleId) -> Result<bool, StoreError> {
        self.touch(Change::Authorities);
        let deleted = role::Entity::delete_by_id(role.as_str()).exec(&self.connection);
        Ok(self.checked(deleted.await)?.rows_affected == 1)
    }

    async fn add_group(&self, group: &Group) -> Result<(), StoreError> {
        let row = group::ActiveModel {
            id: Set(group.id.as_str().to_owned()),
            name: Set(group.name.clone()),
            parent_id: Set(group.parent.as_ref().map(ToString::to_string)),
        };
        let added = group::Entity::insert(row).exec_without_returning(&self.connection);
        self.checked(added.await)?;
        self.add_group_roles(group).await
    }

    async fn update_group(&self, group: &Group) -> Result<(), StoreError> {
        self.touch(Change::Authorities);
        let id = group.id.as_str();
        let parent = group.parent.as_ref().map(ToString::to_string);
        let updated = group::Entity::update_many()
            .col_expr(group::Column::Name, group.name.clone().into())
            .col_expr(group::Column::ParentId, parent.into())
            .filter(group::COLUMN.id.eq(id))
            .exec(&self.connection)
            .await;
        self.checked(updated)?;
        let cleared = group_role::Entity::delete_many()
            .filter(group_role::COLUMN.group_id.eq(id))
            .exec(&self.connection)
            .await;
        self.checked(cleared)?;
        self.add_group_roles(group).await
    }

    /// What stood within it stands by itself afterwards.
    async fn delete_group(&self, group: &GroupId) -> Result<bool, StoreError> {
        self.touch(Change::Authorities);
        let freed = group::Entity::update_many()
            .col_expr(group::Column::ParentId, Expr::value(Option::<String>::None))
            .filter(group::Column::ParentId.eq(group.as_str()))
            .exec(&self.connection)
            .await;
        self.checked(freed)?;
        let deleted = group::Entity::delete_by_id(group.as_str()).exec(&self.connection);
        Ok(self.checked(deleted.await)?.rows_affected == 1)
    }

    async fn leave_group(&self, user: &UserId, group: &GroupId) -> Result<(), StoreError> {
        self.touch(Change::Authority(user.clone()));
        let removed = group_member::Entity::delete_many()
            .filter(group_member::COLUMN.user_id.eq(user.as_str()))
            .filter(group_member::COLUMN.group_id.eq(group.as_str()))
            .exec(&self.connection)
            .await;
        self.checked(removed).map(drop)
    }

    async fn put_claim(&self, user: &UserId, name: &str, value: &Value) -> Result<(), StoreError> {
        self.touch(Change::Authority(user.clone()));
        let row = user_claim::ActiveModel {
            user_id: Set(user.as_str().to_owned()),
            name: Set(name.to_owned()),
            value: Set(value.to_string()),
        };
        let replace = OnConflict::columns([user_claim::Column::UserId, user_claim::Column::Name])
            .update_column(user_claim::Column::Value)
            .to_owned();
        let stored = user_claim::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.connection)
            .await;
        self.checked(stored).map(drop)
    }

    async fn delete_claim(&self, user: &UserId, name: &str) -> Result<bool, StoreError> {
        self.touch(Change::Authority(user.clone()));
        let deleted = user_claim::Entity::delete_many()
            .filter(user_claim::COLUMN.user_id.eq(user.as_str()))
            .filter(user_claim::COLUMN.name.eq(name))
            .exec(&self.connection)
            .await;
        Ok(self.checked(deleted)?.rows_affected == 1)
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
    async fn add_group_roles(&self, group: &Group) -> Result<(), StoreError> {
        let roles = group.roles.iter().map(|role| group_role::ActiveModel {
            group_id: Set(group.id.as_str().to_owned()),
            role_id: Set(role.as_str().to_owned()),
        });
        let added = group_role::Entity::insert_many(roles)
            .exec_without_returning(&self.connection)
            .await;
        self.checked(added).map(drop)
    }

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
        parent: row.parent_id.map(GroupId::new),
    }
}
