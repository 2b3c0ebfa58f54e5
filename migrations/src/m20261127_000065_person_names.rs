//! First and last names as users are looked for by them, with their indexes. What was written before is
//! folded as far as the database can; it becomes exact with the next change of the user.

use sea_orm_migration::prelude::*;

use crate::columns::{index, optional_key};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (column, source) in [("first_key", "first_name"), ("last_key", "last_name")] {
            let table = Table::alter()
                .table("users")
                .add_column(optional_key(manager, column))
                .take();
            manager.alter_table(table).await?;
            manager
                .get_connection()
                .execute_unprepared(&format!(
                    "UPDATE users SET {column} = lower({source}) WHERE {source} IS NOT NULL"
                ))
                .await?;
            manager
                .create_index(index("users", &[column, "id"]))
                .await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
