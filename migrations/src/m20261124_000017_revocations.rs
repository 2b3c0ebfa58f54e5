//! What was ended before its time and is no grant: single access tokens and sessions. A row lives no
//! longer than what it ends could.

use sea_orm_migration::prelude::*;

use crate::columns::{index, integer, key};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("revocations")
            .col(key(manager, "id").primary_key())
            .col(integer("expires_at"))
            .take();
        manager.create_table(table).await?;
        manager
            .create_index(index("revocations", &["expires_at"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
