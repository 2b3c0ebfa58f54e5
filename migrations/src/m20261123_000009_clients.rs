//! Clients. Their metadata is one JSON text: it is always read as a whole and grows with every
//! specification.

use sea_orm_migration::prelude::*;

use crate::columns::{integer, key, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("clients")
            .col(key(manager, "client_id").primary_key())
            .col(text("kind"))
            .col(text("status"))
            .col(text("metadata"))
            .col(integer("created_at"))
            .col(integer("updated_at"))
            .take();
        manager.create_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
