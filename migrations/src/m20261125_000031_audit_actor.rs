//! Who did what an event tells, where that is not the one it is about; and the index of
//! what is about a user. There is none of traces: every login would pay for it.

use sea_orm_migration::prelude::*;

use crate::columns::{index, optional_text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("audit_events")
            .add_column(optional_text("actor"))
            .take();
        manager.alter_table(table).await?;
        manager
            .create_index(index("audit_events", &["user_id", "id"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
