//! Password hashes, at most one of each user.

use sea_orm_migration::prelude::*;

use crate::columns::{belongs_to, integer, key, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("password_credentials")
            .col(key(manager, "user_id").primary_key())
            .col(text("hash"))
            .col(integer("updated_at"))
            .foreign_key(&mut belongs_to("user_id", "users", "id"))
            .take();
        manager.create_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
