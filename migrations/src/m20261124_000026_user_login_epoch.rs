//! Counts how often an operator let a user start anew with wrong passwords: `user unlock`, a new
//! password. Part of the name of every counter of attempts.

use sea_orm_migration::prelude::*;

use crate::columns::integer;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("users")
            .add_column(integer("login_epoch").default(0).take())
            .take();
        manager.alter_table(table).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
