//! Groups of users.

use sea_orm_migration::prelude::*;

use crate::columns::{key, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("groups")
            .col(key(manager, "id").primary_key())
            .col(key(manager, "name"))
            .take();
        manager.create_table(table).await?;
        manager.create_index(unique("groups", &["name"])).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
