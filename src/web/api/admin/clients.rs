//! `/api/admin/clients`: applications.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    call::{At, MAX_BODY, call, call_on_version, created, done, segment, versioned},
    idempotency,
    page::{Listing, Query},
    views::{ClientView, RegisteredView},
};
use crate::{
    application::{
        administration::Version,
        commands::{
            change_client::{
                delete_client, rotate_client_secret, set_client_limit, set_client_rights,
                set_client_status,
            },
            register_client::{RegisterClient, register_client},
        },
        queries::administration,
        registrar::Registrar,
    },
    domain::{
        client::{
            AccessTokenFormat, AssertionAudience, Client, ClientAuthMethod, ClientKind,
            ClientStatus, ConsentPolicy, PkcePolicy, ResponseMode,
        },
        client_rights::ClientRights,
        id::ClientId,
        key::SigningAlgorithm,
        scope::Scope,
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

/// An application to be. What is absent is what is usual for its kind.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewClient {
    /// `spa` (a script in the browser), `web` (with a server of its own), `native` or `service`.
    #[schema(value_type = String)]
    kind: ClientKind,
    /// What users are shown.
    #[schema(min_length = 1, max_length = 100)]
    client_name: String,
    /// Generated where absent.
    client_id: Option<String>,
    #[schema(value_type = Option<String>)]
    token_endpoint_auth_method: Option<ClientAuthMethod>,
    /// The public keys of `private_key_jwt` (RFC 7517 §5).
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// Whom its assertions may be addressed to: `issuer` or `token_endpoint`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    assertion_audience: AssertionAudience,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    /// Every scope value that it may ask for.
    #[schema(value_type = Option<String>)]
    scope: Option<Scope>,
    /// Every resource indicator that it may ask for.
    #[serde(default)]
    resources: Vec<String>,
    /// Browser origins that may call the token endpoint.
    #[serde(default)]
    allowed_origins: Vec<String>,
    /// `query`, `fragment`, `form_post`; all of them where empty.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    response_modes: BTreeSet<ResponseMode>,
    /// `required` or `optional`.
    #[schema(value_type = Option<String>)]
    pkce: Option<PkcePolicy>,
    /// `remember`, `always` or `implied`.
    #[schema(value_type = Option<String>)]
    consent: Option<ConsentPolicy>,
    /// `jwt` or `opaque`.
    #[schema(value_type = Option<String>)]
    access_token_format: Option<AccessTokenFormat>,
    #[schema(value_type = Option<String>)]
    id_token_signed_response_alg: Option<SigningAlgorithm>,
    /// Requests that are answered in a minute, at each endpoint.
    #[schema(minimum = 1)]
    requests_per_minute: Option<u64>,
    /// What it may ask of its users' rights: docs/permissions.md.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    rights: ClientRights,
}

impl NewClient {
    fn command(self) -> RegisterClient {
        let usual = RegisterClient::preset(self.kind, self.client_name);
        RegisterClient {
            id: self.client_id,
            authentication: self.token_endpoint_auth_method,
            jwks: self.jwks,
            assertion_audience: self.assertion_audience,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            scope: self.scope,
            resources: self.resources,
            origins: self.allowed_origins,
            response_modes: self.response_modes,
            pkce: self.pkce.unwrap_or(usual.pkce),
            consent: self.consent.unwrap_or(usual.consent),
            access_token_format: self
                .access_token_format
                .unwrap_or(usual.access_token_format),
            id_token_algorithm: self
                .id_token_signed_response_alg
                .unwrap_or(usual.id_token_algorithm),
            requests_per_minute: self.requests_per_minute,
            rights: self.rights,
            ..usual
        }
    }
}

/// When old secrets stop working.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the present secrets work yet, seconds.
    #[serde(default)]
    #[schema(maximum = 7_776_000)]
    overlap: u64,
}

/// How much an application may ask.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    /// Requests that are answered in a minute, at each endpoint; as many as of any where absent.
    #[schema(minimum = 1)]
    requests_per_minute: Option<u64>,
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
        idempotency::once(&web, (&parts, &body), &registrar, making).await
    };
    call(&web, &parts, work).await
}

async fn register(parts: &Parts, body: &Bytes, registrar: &Registrar) -> Result<Response, Problem> {
    let new: NewClient = json::read(&parts.headers, body, MAX_BODY)?;
    check_limit(new.requests_per_minute)?;
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
            let id = ClientId::new(id);
            let rotated = rotate_client_secret(&registrar, &id, None, overlap).await?;
            let version = Version::of(&rotated.client);
            let view = RegisteredView::from(&rotated);
            Ok(versioned(StatusCode::CREATED, &version, &view))
        };
        idempotency::once(&web, (&parts, &body), &registrar, rotating).await
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

/// Say how much an application may ask
#[utoipa::path(put, path = "/api/admin/clients/{id}/limit", tag = "Applications",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body = Limit,
    responses((status = 200, body = ClientView, headers(("ETag" = String)))))]
pub(super) async fn limit(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let limit: Limit = json::read(&parts.headers, &body, MAX_BODY)?;
        check_limit(limit.requests_per_minute)?;
        let id = ClientId::new(id);
        let client = set_client_limit(&registrar, &id, limit.requests_per_minute).await?;
        Ok(shown(&client))
    };
    call_on_version(&web, &parts, work).await
}

fn check_limit(requests_per_minute: Option<u64>) -> Result<(), Problem> {
    if requests_per_minute == Some(0) {
        return Err(Problem::new(Kind::InvalidMember)
            .detail("disable the application instead")
            .at("/requests_per_minute"));
    }
    Ok(())
}

/// Say anew what an application may ask of its users' rights
#[utoipa::path(put, path = "/api/admin/clients/{id}/rights", tag = "Applications",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body(content = Object, description = "docs/permissions.md"),
    responses((status = 200, body = ClientView, headers(("ETag" = String)))))]
pub(super) async fn rights(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let rights: ClientRights = json::read(&parts.headers, &body, MAX_BODY)?;
        let client = set_client_rights(&registrar, &ClientId::new(id), rights).await?;
        Ok(shown(&client))
    };
    call_on_version(&web, &parts, work).await
}
