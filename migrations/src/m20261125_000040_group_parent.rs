//! Groups stand within one another.

use sea_orm_migration::prelude::*;

use crate::columns::{index, optional_key};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // No foreign key: SQLite cannot add one that is checked, and the use case removes the
        // reference of what stood within a group that goes.
        let table = Table::alter()
            .table("groups")
            .add_column(optional_key(manager, "parent_id"))
            .take();
        manager.alter_table(table).await?;
        manager.create_index(index("groups", &["parent_id"])).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
