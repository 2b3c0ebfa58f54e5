//! Where users are signed in, for them and for administrators to look at. What ends a session is a
//! revocation and the version of its user; a row here only describes one.

use sea_orm_migration::prelude::*;

use crate::columns::{belongs_to, index, integer, key, optional_text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("user_sessions")
            .col(key(manager, "id").primary_key())
            .col(key(manager, "user_id"))
            .col(integer("security_version"))
            .col(integer("started_at"))
            .col(integer("seen_at"))
            .col(integer("expires_at"))
            .col(optional_text("address"))
            .col(optional_text("agent"))
            .col(optional_text("client_id"))
            .foreign_key(&mut belongs_to("user_id", "users", "id"))
            .take();
        manager.create_table(table).await?;
        for index in [
            index("user_sessions", &["user_id", "seen_at", "id"]),
            index("user_sessions", &["expires_at"]),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
