//! Links and codes that work once, sent by mail.

use sea_orm_migration::prelude::*;

use crate::columns::{
    belongs_to, bytes, index, integer, key, optional_integer, optional_key, optional_text, text,
    unique,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("one_time_links")
            .col(key(manager, "id").primary_key())
            .col(key(manager, "secret_digest"))
            .col(bytes("sealed_code"))
            .col(text("purpose"))
            .col(optional_key(manager, "user_id"))
            .col(optional_key(manager, "email"))
            .col(integer("security_version"))
            .col(optional_text("way_on"))
            .col(integer("tries"))
            .col(integer("created_at"))
            .col(integer("expires_at"))
            .col(optional_integer("used_at"))
            .foreign_key(&mut belongs_to("user_id", "users", "id"))
            .take();
        manager.create_table(table).await?;
        for index in [
            unique("one_time_links", &["secret_digest"]),
            index("one_time_links", &["email", "purpose", "created_at"]),
            index("one_time_links", &["user_id"]),
            index("one_time_links", &["expires_at"]),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
