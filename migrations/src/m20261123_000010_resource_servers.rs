//! Resource servers (RFC 8707).

use sea_orm_migration::prelude::*;

use crate::columns::{key, optional_text, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("resource_servers")
            .col(key(manager, "identifier").primary_key())
            .col(text("name"))
            .col(text("scope"))
            .col(optional_text("access_token_format"))
            .col(optional_text("introspection_client"))
            .take();
        manager.create_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
