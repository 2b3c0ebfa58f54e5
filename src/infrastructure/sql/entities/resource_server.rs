//! A resource server (RFC 8707).

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "resource_servers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub identifier: String,
    pub name: String,
    pub scope: String,
    pub access_token_format: Option<String>,
    pub introspection_client: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
