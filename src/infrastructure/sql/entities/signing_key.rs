//! A signing key; the private one is sealed.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    pub algorithm: String,
    pub generation: i64,
    pub sealed_private: Vec<u8>,
    pub public_jwk: String,
    pub published_at: i64,
    pub active_at: i64,
    pub retires_at: i64,
    pub dead_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
