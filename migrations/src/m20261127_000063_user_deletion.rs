//! Accounts that their users want removed, and the moment of it.

use sea_orm_migration::prelude::*;

use crate::columns::{index, optional_integer};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("users")
            .add_column(optional_integer("deletion_due"))
            .take();
        manager.alter_table(table).await?;
        manager
            .create_index(index("users", &["deletion_due"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
