//! A group of users.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "groups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    pub parent_id: Option<String>,
    #[sea_orm(has_many)]
    pub roles: HasMany<super::group_role::Entity>,
    #[sea_orm(has_many)]
    pub members: HasMany<super::group_member::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
