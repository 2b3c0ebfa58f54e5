//! The permissions of each role. An empty resource means everywhere: a column of the primary key
//! cannot be absent.

use sea_orm_migration::prelude::*;

use crate::columns::{belongs_to, key};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("permissions")
            .col(key(manager, "role_id"))
            .col(key(manager, "name"))
            .col(key(manager, "resource"))
            .primary_key(Index::create().col("role_id").col("name").col("resource"))
            .foreign_key(&mut belongs_to("role_id", "roles", "id"))
            .take();
        manager.create_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
