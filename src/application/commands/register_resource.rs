//! RFC 8707 — making a resource server known by its indicator, and changing what is known of it.

use serde_json::json;
use url::Url;

use crate::{
    application::{
        registrar::{Registrar, RegistrarError},
        trail::{self, About},
    },
    domain::{administration::Right, event::EventKind, resource::ResourceServer},
};

/// What there may be under the indicator already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Something or nothing.
    Put,
    /// Nothing.
    Add,
    /// Something, in the expected version.
    Change,
}

/// Adds a resource server, or replaces the one with its identifier.
pub async fn register_resource(
    registrar: &Registrar,
    server: &ResourceServer,
    registration: Registration,
) -> Result<(), RegistrarError> {
    registrar.may(Right::ClientsWrite)?;
    check_indicator(&server.identifier)?;
    registrar.refuse_own(&server.identifier)?;
    let alone = registrar.alone().await?;
    let work = alone.work();
    let before = work.resource_server(&server.identifier).await?;
    match (&before, registration) {
        (Some(_), Registration::Add) => return Err(RegistrarError::Exists("resource")),
        (None, Registration::Change) => {
            let name = server.identifier.clone();
            return Err(RegistrarError::NotFound("resource", name));
        }
        (Some(before), Registration::Change) => registrar.expects(before)?,
        (Some(_) | None, Registration::Put) | (None, Registration::Add) => {}
    }
    if let Some(client) = &server.introspection_client
        && work.client(client).await?.is_none()
    {
        let client = client.as_str().to_owned();
        return Err(RegistrarError::NotFound("client", client));
    }
    work.put_resource_server(server).await?;
    let mut detail = before.map_or(json!({}), |before| trail::changes(&before, server));
    if let Some(members) = detail.as_object_mut() {
        members.insert("resource".to_owned(), json!(server.identifier));
    }
    let about = About {
        client: server.introspection_client.clone(),
        detail: Some(detail),
        ..About::default()
    };
    registrar
        .record_in(work, EventKind::ClientChanged, about)
        .await?;
    alone.commit().await
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
