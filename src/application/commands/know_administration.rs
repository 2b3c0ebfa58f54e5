//! Making the administration API known, so that clients can be registered for it and tokens asked.

use crate::{
    application::{
        ports::{Store, StoreError},
        queries::administrator::resource_server,
    },
    domain::resource::ResourceServer,
    protocol::issuer::Issuer,
};

/// Writes the resource server of the administration API with the scope values of this version, where they
/// are not written yet. What the operator chose for it besides stays.
pub async fn know_administration(store: &dyn Store, issuer: &Issuer) -> Result<(), StoreError> {
    let wanted = resource_server(issuer);
    let known = store.reader().resource_server(&wanted.identifier).await?;
    let server = match known {
        Some(known) if known.scope == wanted.scope => return Ok(()),
        Some(known) => ResourceServer {
            scope: wanted.scope,
            ..known
        },
        None => wanted,
    };
    let work = store.begin().await?;
    work.put_resource_server(&server).await?;
    work.commit().await
}
