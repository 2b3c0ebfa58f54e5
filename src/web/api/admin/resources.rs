//! `/api/admin/resources`: the APIs that tokens can be for (RFC 8707).

use std::sync::Arc;

use axum::{body::Bytes, extract::State, http::request::Parts, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    call::{MAX_BODY, call},
    page::Listing,
    views::ResourceView,
};
use crate::{
    application::{
        commands::register_resource::register_resource, queries::administration,
        registrar::Registrar,
    },
    domain::{client::AccessTokenFormat, id::ClientId, resource::ResourceServer, scope::Scope},
    web::{
        Web,
        api::{json, ok},
    },
};

/// An API, as it is to be known.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewResource {
    /// The resource indicator: an absolute URI without a fragment.
    #[schema(format = "uri", max_length = 2048)]
    identifier: String,
    /// What users are shown.
    name: String,
    /// The scope values that mean something there.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    scope: Scope,
    /// `jwt` or `opaque`; the client decides where absent.
    #[schema(value_type = Option<String>)]
    access_token_format: Option<AccessTokenFormat>,
    /// The client that may introspect its tokens.
    introspection_client: Option<String>,
}

/// All APIs, in the order of their indicators
#[utoipa::path(get, path = "/api/admin/resources", tag = "Applications",
    responses((status = 200, body = Listing<ResourceView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let servers = administration::resources(&registrar).await?;
        Ok(ok(&Listing::whole(
            servers.iter().map(ResourceView::from).collect(),
        )))
    };
    call(&web, &parts, work).await
}

/// Make an API known, or say anew what it is
#[utoipa::path(put, path = "/api/admin/resources", tag = "Applications",
    request_body = NewResource,
    responses((status = 200, body = ResourceView)))]
pub(super) async fn put(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = async |registrar: Registrar| {
        let new: NewResource = json::read(&parts.headers, &body, MAX_BODY)?;
        let server = ResourceServer {
            identifier: new.identifier,
            name: new.name,
            scope: new.scope,
            access_token_format: new.access_token_format,
            introspection_client: new.introspection_client.map(ClientId::new),
        };
        register_resource(&registrar, &server).await?;
        Ok(ok(&ResourceView::from(&server)))
    };
    call(&web, &parts, work).await
}
