//! Signing keys. The private key is sealed before it gets here.

use sea_orm_migration::prelude::*;

use crate::columns::{bytes, integer, key, text, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("signing_keys")
            .col(key(manager, "kid").primary_key())
            .col(key(manager, "algorithm"))
            .col(integer("generation"))
            .col(bytes("sealed_private"))
            .col(text("public_jwk"))
            .col(integer("published_at"))
            .col(integer("active_at"))
            .col(integer("retires_at"))
            .col(integer("dead_at"))
            .take();
        manager.create_table(table).await?;
        manager
            .create_index(unique("signing_keys", &["algorithm", "generation"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
