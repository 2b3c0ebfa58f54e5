//! RFC 8707 — making a resource server known by its indicator.

use serde_json::json;
use url::Url;

use crate::{
    application::{
        registrar::{Registrar, RegistrarError},
        trail::About,
    },
    domain::{administration::Right, event::EventKind, resource::ResourceServer},
};

/// Adds a resource server or replaces the one with its identifier.
pub async fn register_resource(
    registrar: &Registrar,
    server: &ResourceServer,
) -> Result<(), RegistrarError> {
    registrar.may(Right::ClientsWrite)?;
    check_indicator(&server.identifier)?;
    let work = registrar.store.begin().await?;
    if let Some(client) = &server.introspection_client
        && work.client(client).await?.is_none()
    {
        let client = client.as_str().to_owned();
        return Err(RegistrarError::NotFound("client", client));
    }
    work.put_resource_server(server).await?;
    let about = About {
        client: server.introspection_client.clone(),
        detail: Some(json!({ "resource": server.identifier })),
        ..About::default()
    };
    registrar
        .record_in(&*work, EventKind::ClientChanged, about)
        .await?;
    work.commit().await?;
    Ok(())
}

/// An absolute URI without a fragment (RFC 8707 §2).
pub(super) fn check_indicator(text: &str) -> Result<(), RegistrarError> {
    let is_plain = text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic());
    if is_plain && !text.contains('#') && Url::parse(text).is_ok() {
        return Ok(());
    }
    Err(RegistrarError::invalid(
        "resource",
        format!("{text:?} is no absolute URI without a fragment"),
    ))
}
