//! Which user has which role.

use sea_orm_migration::prelude::*;

use crate::columns::{belongs_to, index, key};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("role_assignments")
            .col(key(manager, "user_id"))
            .col(key(manager, "role_id"))
            .primary_key(Index::create().col("user_id").col("role_id"))
            .foreign_key(&mut belongs_to("user_id", "users", "id"))
            .foreign_key(&mut belongs_to("role_id", "roles", "id"))
            .take();
        manager.create_table(table).await?;
        manager
            .create_index(index("role_assignments", &["role_id"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
