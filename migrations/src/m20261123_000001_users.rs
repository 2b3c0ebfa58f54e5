//! Users, with all standard claims (OIDC Core §5.1).

use sea_orm_migration::prelude::*;

use crate::columns::{boolean, integer, key, optional_key, optional_text, text, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("users")
            .col(key(manager, "id").primary_key())
            .col(key(manager, "username"))
            .col(optional_key(manager, "email"))
            .col(boolean("email_verified"))
            .col(text("status"))
            .col(integer("not_before"))
            .col(integer("created_at"))
            .col(integer("updated_at"))
            .col(optional_text("first_name"))
            .col(optional_text("last_name"))
            .col(optional_text("full_name"))
            .col(optional_text("middle_name"))
            .col(optional_text("nickname"))
            .col(optional_text("profile"))
            .col(optional_text("picture"))
            .col(optional_text("website"))
            .col(optional_text("gender"))
            .col(optional_text("birthdate"))
            .col(optional_text("zoneinfo"))
            .col(optional_text("locale"))
            .col(optional_text("phone_number"))
            .col(boolean("phone_number_verified"))
            .col(optional_text("address_formatted"))
            .col(optional_text("address_street"))
            .col(optional_text("address_locality"))
            .col(optional_text("address_region"))
            .col(optional_text("address_postal_code"))
            .col(optional_text("address_country"))
            .take();
        manager.create_table(table).await?;
        manager.create_index(unique("users", &["username"])).await?;
        manager.create_index(unique("users", &["email"])).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
