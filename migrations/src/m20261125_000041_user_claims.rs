//! What is said of a user besides the standard claims: a name and a JSON value.

use sea_orm_migration::prelude::*;

use crate::columns::{belongs_to, key, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("user_claims")
            .col(key(manager, "user_id"))
            .col(key(manager, "name"))
            .col(text("value"))
            .primary_key(Index::create().col("user_id").col("name"))
            .foreign_key(&mut belongs_to("user_id", "users", "id"))
            .take();
        manager.create_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
