//! RFC 8707 — removing a resource server: no client can ask for its tokens any more.

use serde_json::json;

use crate::{
    application::{
        ports::{Page, UnitOfWork},
        registrar::{Registrar, RegistrarError},
        trail::{self, About},
    },
    domain::{
        administration::Right, client::Client, event::EventKind, id::ClientId,
        resource::ResourceServer,
    },
};

/// Clients read at once.
const PAGE: u64 = 500;

/// Removes the resource server with this indicator, and takes it from every client that could ask for it.
/// Refresh tokens from before bring nothing for it; access tokens that were issued live on for their
/// minutes. What roles allow there stays written, and means something again if the API comes back.
pub async fn delete_resource(
    registrar: &Registrar,
    identifier: &str,
) -> Result<ResourceServer, RegistrarError> {
    registrar.may(Right::ClientsWrite)?;
    registrar.refuse_own(identifier)?;
    let alone = registrar.alone().await?;
    let work = alone.work();
    let server = work
        .resource_server(identifier)
        .await?
        .ok_or_else(|| RegistrarError::NotFound("resource", identifier.to_owned()))?;
    registrar.expects(&server)?;
    for client in clients_of(work, identifier).await? {
        registrar.commands(work, &client).await?;
        take_from(registrar, work, &client.id, identifier).await?;
    }
    work.delete_resource_server(identifier).await?;
    let about = About {
        detail: Some(json!({ "resource": identifier, "deleted": true })),
        ..About::default()
    };
    registrar
        .record_in(work, EventKind::ClientChanged, about)
        .await?;
    alone.commit().await?;
    Ok(server)
}

/// Clients that may ask for it.
async fn clients_of(
    work: &dyn UnitOfWork,
    identifier: &str,
) -> Result<Vec<Client>, RegistrarError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: PAGE };
        let clients = work.clients(&page).await?;
        let Some(last) = clients.last() else {
            return Ok(found);
        };
        after = Some(last.id.as_str().to_owned());
        let asks = |client: &Client| client.resources.iter().any(|at| at == identifier);
        found.extend(clients.into_iter().filter(asks));
    }
}

async fn take_from(
    registrar: &Registrar,
    work: &dyn UnitOfWork,
    id: &ClientId,
    identifier: &str,
) -> Result<(), RegistrarError> {
    // Read again by its key, which holds it.
    let Some(mut client) = work.client(id).await? else {
        return Ok(());
    };
    let before = client.clone();
    client.resources.retain(|at| at != identifier);
    client.updated_at = registrar.clock.now();
    work.update_client(&client).await?;
    let about = About {
        client: Some(id.clone()),
        detail: Some(trail::changes(&before, &client)),
        ..About::default()
    };
    registrar
        .record_in(work, EventKind::ClientChanged, about)
        .await?;
    Ok(())
}
