//! What becomes of messages that cannot be delivered: when they were given up and why.

use sea_orm_migration::prelude::*;

use crate::columns::{index, optional_integer, optional_text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column in a statement.
        for column in [optional_integer("dead_at"), optional_text("error")] {
            let table = Table::alter().table("outbox").add_column(column).take();
            manager.alter_table(table).await?;
        }
        manager
            .create_index(index("outbox", &["kind", "due_at", "id"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
