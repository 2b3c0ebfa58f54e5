//! `/api/admin/clients`: applications.

use std::{sync::Arc, time::Duration};

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
    client_members::{ClientChange, NewClient},
    idempotency,
    page::{Listing, Query},
    views::{ClientView, RegisteredView},
};
use crate::{
    application::{
        administration::Version,
        commands::{
            change_client::{delete_client, rotate_client_secret, set_client_status},
            edit_client::edit_client,
            register_client::register_client,
        },
        queries::administration,
        registrar::Registrar,
    },
    domain::{
        administration::Right,
        client::{Client, ClientStatus},
        id::ClientId,
    },
    protocol::metadata::paths,
    web::{
        Web,
        api::{
            json, ok,
            problem::{Kind, Problem},
        },
    },
};

/// How long old secrets may go on at most, seconds: a quarter of a year.
const MOST_OVERLAP: u64 = 90 * 24 * 60 * 60;

/// When old secrets stop working.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the present secrets work yet, seconds.
    #[serde(default)]
    #[schema(maximum = 7_776_000)]
    overlap: u64,
    /// Whether the new secret is kept encrypted besides its digest: `HS256` and the like need it.
    #[serde(default)]
    readable: bool,
}

fn shown(client: &Client) -> Response {
    versioned(
        StatusCode::OK,
        &Version::of(client),
        &ClientView::from(client),
    )
}

/// All applications, in the order of their identifiers
#[utoipa::path(get, path = "/api/admin/clients", tag = "Applications",
    params(
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "Items of the page; 50 if absent"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses((status = 200, body = Listing<ClientView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let query = Query::read(&web, &parts, &["limit", "after"])?;
        let page = query.page()?;
        let clients = administration::clients(&registrar, &page).await?;
        let key = |client: &Client| client.id.to_string();
        Ok(ok(&Listing::of((&query, &page), clients, key, |client| {
            ClientView::from(&client)
        })))
    };
    call(&web, &parts, work).await
}

/// Register an application; its secret is shown now or never
#[utoipa::path(post, path = "/api/admin/clients", tag = "Applications",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Sent again with the same content it makes nothing twice")),
    request_body = NewClient,
    responses((status = 201, body = RegisteredView, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn create(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = async |registrar: Registrar| {
        let making = register(&parts, &body, &registrar);
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

async fn register(parts: &Parts, body: &Bytes, registrar: &Registrar) -> Result<Response, Problem> {
    let new: NewClient = json::read(&parts.headers, body, MAX_BODY)?;
    let registered = register_client(registrar, new.command()).await?;
    let client = &registered.client;
    let location = format!(
        "{}/clients/{}",
        paths::ADMINISTRATION,
        segment(client.id.as_str())
    );
    Ok(created(
        &location,
        &Version::of(client),
        &RegisteredView::from(&registered),
    ))
}

/// One application
#[utoipa::path(get, path = "/api/admin/clients/{id}", tag = "Applications",
    params(("id" = String, Path)),
    responses((status = 200, body = ClientView, headers(("ETag" = String)))))]
pub(super) async fn read(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let client = administration::client(&registrar, &ClientId::new(id)).await?;
        Ok(shown(&client))
    };
    call(&web, &parts, work).await
}

/// Change what is registered of an application
///
/// Its identifier, its kind and the way in which it authenticates stay: another one is another application.
#[utoipa::path(patch, path = "/api/admin/clients/{id}", tag = "Applications",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body = ClientChange,
    responses((status = 200, body = ClientView, headers(("ETag" = String)))))]
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let change: ClientChange = json::read(&parts.headers, &body, MAX_BODY)?;
        let client = edit_client(&registrar, &ClientId::new(id), change.edit()).await?;
        Ok(shown(&client))
    };
    call_on_version(&web, &parts, work).await
}

/// Remove an application with its grants and consents
#[utoipa::path(delete, path = "/api/admin/clients/{id}", tag = "Applications",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204)))]
pub(super) async fn remove(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        delete_client(&registrar, &ClientId::new(id)).await?;
        Ok(done())
    };
    call_on_version(&web, &parts, work).await
}

/// Give an application a new secret, which is shown now or never
#[utoipa::path(post, path = "/api/admin/clients/{id}/secrets", tag = "Applications",
    params(
        ("id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Sent again with the same content it makes nothing twice"),
    ),
    request_body = Rotation,
    responses((status = 201, body = RegisteredView, headers(("ETag" = String)))))]
pub(super) async fn rotate(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let rotating = async {
            let rotation: Rotation = json::read(&parts.headers, &body, MAX_BODY)?;
            if rotation.overlap > MOST_OVERLAP {
                return Err(Problem::new(Kind::InvalidMember)
                    .detail(format!("the overlap is at most {MOST_OVERLAP} seconds"))
                    .at("/overlap"));
            }
            let overlap = Duration::from_secs(rotation.overlap);
            let how = (overlap, rotation.readable);
            let id = ClientId::new(id);
            let rotated = rotate_client_secret(&registrar, &id, None, how).await?;
            let version = Version::of(&rotated.client);
            let view = RegisteredView::from(&rotated);
            Ok(versioned(StatusCode::CREATED, &version, &view))
        };
        idempotency::once(
            &web,
            (&parts, &body),
            (&registrar, Right::ClientsWrite),
            rotating,
        )
        .await
    };
    call(&web, &parts, work).await
}

/// Let an application work again
#[utoipa::path(post, path = "/api/admin/clients/{id}/enable", tag = "Applications",
    params(("id" = String, Path)),
    responses((status = 200, body = ClientView, headers(("ETag" = String)))))]
pub(super) async fn enable(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    set_status(&web, &parts, id, ClientStatus::Active).await
}

/// Stop an application; its tokens are dead
#[utoipa::path(post, path = "/api/admin/clients/{id}/disable", tag = "Applications",
    params(("id" = String, Path)),
    responses((status = 200, body = ClientView, headers(("ETag" = String)))))]
pub(super) async fn disable(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    set_status(&web, &parts, id, ClientStatus::Inactive).await
}

async fn set_status(web: &Web, parts: &Parts, id: String, status: ClientStatus) -> Response {
    let work = async |registrar: Registrar| {
        let client = set_client_status(&registrar, &ClientId::new(id), status).await?;
        Ok(shown(&client))
    };
    call(web, parts, work).await
}
