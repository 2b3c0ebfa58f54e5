//! What a user allowed a client.

use sea_orm_migration::prelude::*;

use crate::columns::{belongs_to, index, integer, key, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("consents")
            .col(key(manager, "user_id"))
            .col(key(manager, "client_id"))
            .col(text("scope"))
            .col(integer("granted_at"))
            .primary_key(Index::create().col("user_id").col("client_id"))
            .foreign_key(&mut belongs_to("user_id", "users", "id"))
            .foreign_key(&mut belongs_to("client_id", "clients", "client_id"))
            .take();
        manager.create_table(table).await?;
        manager
            .create_index(index("consents", &["client_id"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
