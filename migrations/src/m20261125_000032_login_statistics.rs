//! Logins per day, user and client. No foreign keys: figures outlive what they count. Empty text where
//! there was no account or no application.

use sea_orm_migration::prelude::*;

use crate::columns::{index, integer, key};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let primary = Index::create()
            .name("login_statistics_pk")
            .primary()
            .col("day")
            .col("user_id")
            .col("client_id")
            .take();
        let table = Table::create()
            .table("login_statistics")
            .col(integer("day"))
            .col(key(manager, "user_id"))
            .col(key(manager, "client_id"))
            .col(integer("succeeded"))
            .col(integer("failed"))
            .index(&mut primary.clone())
            .take();
        manager.create_table(table).await?;
        manager
            .create_index(index("login_statistics", &["user_id", "day"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
