//! Grants. A row without `redeemed_at` is the mark of a grant that was revoked before its code was
//! redeemed.
//!
//! No foreign keys: this is the hot path, and PostgreSQL would lock the client's row for each.

use sea_orm_migration::prelude::*;

use crate::columns::{index, integer, key, optional_integer, optional_key, optional_text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("grants")
            .col(key(manager, "id").primary_key())
            .col(optional_key(manager, "user_id"))
            .col(key(manager, "client_id"))
            .col(optional_key(manager, "session_id"))
            .col(optional_text("grant_json"))
            .col(integer("expires_at"))
            .col(optional_integer("redeemed_at"))
            .col(optional_integer("revoked_at"))
            .take();
        manager.create_table(table).await?;
        manager
            .create_index(index("grants", &["client_id", "user_id"]))
            .await?;
        manager
            .create_index(index("grants", &["session_id"]))
            .await?;
        manager.create_index(index("grants", &["expires_at"])).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
