//! Grants of a user at a client, page by page: the index that finds them has them in order.

use sea_orm_migration::prelude::*;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let unordered = Index::drop()
            .name("grants_client_id_user_id")
            .table("grants")
            .to_owned();
        manager.drop_index(unordered).await?;
        manager
            .create_index(index("grants", &["client_id", "user_id", "id"]))
            .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
