//! Where a user is signed in.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub user_id: String,
    pub security_version: i64,
    pub started_at: i64,
    pub seen_at: i64,
    pub expires_at: i64,
    pub address: Option<String>,
    pub agent: Option<String>,
    pub client_id: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
