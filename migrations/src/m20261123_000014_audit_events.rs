//! The audit trail. No foreign keys: it outlives what it tells about.

use sea_orm_migration::prelude::*;

use crate::columns::{integer, key, optional_text, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("audit_events")
            .col(key(manager, "id").primary_key())
            .col(integer("at"))
            .col(text("kind"))
            .col(optional_text("user_id"))
            .col(optional_text("client_id"))
            .col(optional_text("grant_id"))
            .col(optional_text("address"))
            .col(optional_text("trace"))
            .col(text("detail"))
            .take();
        manager.create_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
