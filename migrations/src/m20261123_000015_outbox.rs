//! Messages to deliver after the commit that wrote them.

use sea_orm_migration::prelude::*;

use crate::columns::{index, integer, key, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("outbox")
            .col(key(manager, "id").primary_key())
            .col(text("kind"))
            .col(text("payload"))
            .col(integer("due_at"))
            .col(integer("attempts"))
            .take();
        manager.create_table(table).await?;
        manager
            .create_index(index("outbox", &["due_at", "id"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
