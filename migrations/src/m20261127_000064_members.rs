//! Users of a role and of a group, page by page: the index that finds them has them in order.

use sea_orm_migration::prelude::*;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, unordered, column) in [
            ("role_assignments", "role_assignments_role_id", "role_id"),
            ("group_members", "group_members_group_id", "group_id"),
        ] {
            manager
                .drop_index(Index::drop().name(unordered).table(table).to_owned())
                .await?;
            manager
                .create_index(index(table, &[column, "user_id"]))
                .await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
