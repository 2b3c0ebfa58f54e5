//! Roles.

use sea_orm_migration::prelude::*;

use crate::columns::{key, optional_text, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("roles")
            .col(key(manager, "id").primary_key())
            .col(key(manager, "name"))
            .col(optional_text("description"))
            .take();
        manager.create_table(table).await?;
        manager.create_index(unique("roles", &["name"])).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
