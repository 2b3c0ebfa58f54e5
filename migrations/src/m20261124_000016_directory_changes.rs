//! What changed in the directory (users, clients, resources, roles, consents), in the order of the
//! commits: nodes that keep copies read from here which of them are stale.

use sea_orm_migration::prelude::*;

use crate::columns::{integer, key};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let seq = ColumnDef::new("seq")
            .big_integer()
            .not_null()
            .auto_increment()
            .primary_key()
            .take();
        let table = Table::create()
            .table("directory_changes")
            .col(seq)
            .col(key(manager, "kind"))
            .col(key(manager, "name"))
            .col(integer("changed_at"))
            .take();
        manager.create_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
