//! Clients and resource servers.

use async_trait::async_trait;
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::OnConflict,
};

use super::{
    Sql,
    entities::{client, grant, resource_server},
    error::corrupt,
    only, page_start, row_limit, storable,
};
use crate::{
    application::ports::{Change, Clients, ClientsMut, Page, StoreError},
    domain::{
        client::{Client, ClientStatus},
        id::ClientId,
        resource::ResourceServer,
    },
};

#[async_trait]
impl<C: ConnectionTrait + Send> Clients for Sql<C> {
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let Some(id) = storable(id.as_str()) else {
            return Ok(None);
        };
        let query = self.held(client::Entity::find_by_id(id));
        let row = only(query.all(&self.connection)).await;
        self.checked(row)?.as_ref().map(to_client).transpose()
    }

    async fn clients(&self, page: &Page) -> Result<Vec<Client>, StoreError> {
        let mut query = client::Entity::find().order_by_asc(client::COLUMN.client_id);
        if let Some(after) = page_start(page.after.as_deref()) {
            query = query.filter(client::COLUMN.client_id.gt(after));
        }
        let rows = query.limit(row_limit(page.limit)).all(&self.connection);
        self.checked(rows.await)?.iter().map(to_client).collect()
    }

    async fn resource_server(
        &self,
        identifier: &str,
    ) -> Result<Option<ResourceServer>, StoreError> {
        let Some(identifier) = storable(identifier) else {
            return Ok(None);
        };
        let rows = resource_server::Entity::find_by_id(identifier).all(&self.connection);
        let row = only(rows).await;
        self.checked(row)?.map(to_resource_server).transpose()
    }

    async fn resource_servers(&self) -> Result<Vec<ResourceServer>, StoreError> {
        let rows = resource_server::Entity::find()
            .order_by_asc(resource_server::COLUMN.identifier)
            .all(&self.connection)
            .await;
        let rows = self.checked(rows)?;
        rows.into_iter().map(to_resource_server).collect()
    }
}

#[async_trait]
impl ClientsMut for Sql<DatabaseTransaction> {
    async fn add_client(&self, client: &Client) -> Result<(), StoreError> {
        let row = to_row(client)?.into_active_model();
        let added = client::Entity::insert(row).exec_without_returning(&self.connection);
        self.checked(added.await).map(drop)
    }

    async fn update_client(&self, client: &Client) -> Result<(), StoreError> {
        self.touch(Change::Client(client.id.clone()));
        let row = to_row(client)?.into_active_model().reset_all();
        let updated = client::Entity::update_many()
            .set(row)
            .filter(client::COLUMN.client_id.eq(client.id.as_str()))
            .exec(&self.connection)
            .await;
        self.checked(updated).map(drop)
    }

    /// Its grants go as well, so that a client that is registered under the same identifier later
    /// does not bring old tokens back to life. The consents go with the row.
    async fn delete_client(&self, id: &ClientId) -> Result<bool, StoreError> {
        let Some(id) = storable(id.as_str()) else {
            return Ok(false);
        };
        self.touch(Change::Client(ClientId::new(id)));
        let grants = grant::Entity::delete_many()
            .filter(grant::COLUMN.client_id.eq(id))
            .exec(&self.connection)
            .await;
        self.checked(grants)?;
        let client = client::Entity::delete_by_id(id).exec(&self.connection);
        Ok(self.checked(client.await)?.rows_affected == 1)
    }

    async fn put_resource_server(&self, server: &ResourceServer) -> Result<(), StoreError> {
        use resource_server::Column;
        self.touch(Change::Resource(server.identifier.clone()));
        let row = resource_server::Model {
            identifier: server.identifier.clone(),
            name: server.name.clone(),
            scope: server.scope.to_string(),
            access_token_format: server.access_token_format.map(|format| format.to_string()),
            introspection_client: server
                .introspection_client
                .as_ref()
                .map(|client| client.as_str().to_owned()),
        };
        let replace = OnConflict::column(Column::Identifier)
            .update_columns([
                Column::Name,
                Column::Scope,
                Column::AccessTokenFormat,
                Column::IntrospectionClient,
            ])
            .to_owned();
        let stored = resource_server::Entity::insert(row.into_active_model())
            .on_conflict(replace)
            .exec_without_returning(&self.connection)
            .await;
        self.checked(stored).map(drop)
    }

    async fn delete_resource_server(&self, identifier: &str) -> Result<bool, StoreError> {
        let Some(identifier) = storable(identifier) else {
            return Ok(false);
        };
        self.touch(Change::Resource(identifier.to_owned()));
        let deleted = resource_server::Entity::delete_by_id(identifier).exec(&self.connection);
        Ok(self.checked(deleted.await)?.rows_affected == 1)
    }
}

fn to_row(client: &Client) -> Result<client::Model, StoreError> {
    Ok(client::Model {
        client_id: client.id.as_str().to_owned(),
        kind: client.kind.as_str().to_owned(),
        status: status_text(client.status).to_owned(),
        metadata: serde_json::to_string(client)
            .map_err(|_| corrupt("client", client.id.as_str()))?,
        created_at: client.created_at.0,
        updated_at: client.updated_at.0,
    })
}

fn to_client(row: &client::Model) -> Result<Client, StoreError> {
    serde_json::from_str(&row.metadata).map_err(|_| corrupt("client", &row.client_id))
}

fn status_text(status: ClientStatus) -> &'static str {
    match status {
        ClientStatus::Active => "active",
        ClientStatus::Inactive => "inactive",
    }
}

fn to_resource_server(row: resource_server::Model) -> Result<ResourceServer, StoreError> {
    let unreadable = || corrupt("resource server", &row.identifier);
    Ok(ResourceServer {
        scope: row.scope.parse().map_err(|_| unreadable())?,
        access_token_format: match &row.access_token_format {
            Some(format) => Some(format.parse().map_err(|_| unreadable())?),
            None => None,
        },
        introspection_client: row.introspection_client.map(ClientId::new),
        identifier: row.identifier,
        name: row.name,
    })
}
