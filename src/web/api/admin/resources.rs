//! `/api/admin/resources`: the APIs that tokens can be for (RFC 8707).

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    call::{At, MAX_BODY, call, call_on_version, created, done, segment, versioned},
    idempotency,
    page::Listing,
    views::ResourceView,
};
use crate::{
    application::{
        administration::Version,
        commands::{
            delete_resource::delete_resource,
            register_resource::{Registration, register_resource},
        },
        queries::administration,
        registrar::Registrar,
    },
    domain::{
        administration::Right, client::AccessTokenFormat, id::ClientId, resource::ResourceServer,
        scope::Scope,
    },
    protocol::metadata::paths,
    web::{
        Web,
        api::{json, ok, problem::Problem},
    },
};

/// An API to be known.
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

/// What an API is to be instead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceChange {
    /// What users are shown.
    name: String,
    /// The scope values that mean something there.
    #[schema(value_type = String)]
    scope: Scope,
    /// `jwt` or `opaque`; the client decides where absent.
    #[schema(value_type = Option<String>)]
    access_token_format: Option<AccessTokenFormat>,
    /// The client that may introspect its tokens; none if absent.
    introspection_client: Option<String>,
}

/// All APIs, in the order of their indicators
#[utoipa::path(get, path = "/api/admin/resources", tag = "Applications",
    responses((status = 200, body = Listing<ResourceView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let servers = administration::resources(&registrar).await?;
        let items = servers.iter().map(ResourceView::from);
        Ok(ok(&Listing::whole(items.collect())))
    };
    call(&web, &parts, work).await
}

/// Make an API known
#[utoipa::path(post, path = "/api/admin/resources", tag = "Applications",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Sent again with the same content it makes nothing twice")),
    request_body = NewResource,
    responses((status = 201, body = ResourceView, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn create(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = async |registrar: Registrar| {
        let making = add(&parts, &body, &registrar);
        idempotency::once(
            &web,
            (&parts, &body),
            (&registrar, Right::ClientsWrite),
            making,
        )
        .await
    };
    call(&web, &parts, work).await
}

async fn add(parts: &Parts, body: &Bytes, registrar: &Registrar) -> Result<Response, Problem> {
    let new: NewResource = json::read(&parts.headers, body, MAX_BODY)?;
    let server = ResourceServer {
        identifier: new.identifier,
        name: new.name,
        scope: new.scope,
        access_token_format: new.access_token_format,
        introspection_client: new.introspection_client.map(ClientId::new),
    };
    register_resource(registrar, &server, Registration::Add).await?;
    let name = segment(&server.identifier);
    let location = format!("{}/resources/{name}", paths::ADMINISTRATION);
    let view = ResourceView::from(&server);
    Ok(created(&location, &Version::of(&server), &view))
}

/// One API
#[utoipa::path(get, path = "/api/admin/resources/{identifier}", tag = "Applications",
    params(("identifier" = String, Path, description = "Its resource indicator, percent-encoded")),
    responses((status = 200, body = ResourceView, headers(("ETag" = String)))))]
pub(super) async fn read(
    State(web): State<Arc<Web>>,
    At(identifier): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let server = administration::resource(&registrar, &identifier).await?;
        Ok(shown(&server))
    };
    call(&web, &parts, work).await
}

/// Say anew what an API is
#[utoipa::path(put, path = "/api/admin/resources/{identifier}", tag = "Applications",
    params(
        ("identifier" = String, Path, description = "Its resource indicator, percent-encoded"),
        ("If-Match" = String, Header),
    ),
    request_body = ResourceChange,
    responses((status = 200, body = ResourceView, headers(("ETag" = String)))))]
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    At(identifier): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let change: ResourceChange = json::read(&parts.headers, &body, MAX_BODY)?;
        let server = ResourceServer {
            identifier,
            name: change.name,
            scope: change.scope,
            access_token_format: change.access_token_format,
            introspection_client: change.introspection_client.map(ClientId::new),
        };
        register_resource(&registrar, &server, Registration::Change).await?;
        Ok(shown(&server))
    };
    call_on_version(&web, &parts, work).await
}

/// Remove an API: no application can ask for its tokens any more
#[utoipa::path(delete, path = "/api/admin/resources/{identifier}", tag = "Applications",
    params(
        ("identifier" = String, Path, description = "Its resource indicator, percent-encoded"),
        ("If-Match" = String, Header),
    ),
    responses((status = 204)))]
pub(super) async fn delete(
    State(web): State<Arc<Web>>,
    At(identifier): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        delete_resource(&registrar, &identifier).await?;
        Ok(done())
    };
    call_on_version(&web, &parts, work).await
}

fn shown(server: &ResourceServer) -> Response {
    versioned(
        StatusCode::OK,
        &Version::of(server),
        &ResourceView::from(server),
    )
}
