//! `/api/admin/roles` and `/api/admin/permissions`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    call::{At, MAX_BODY, call, call_on_version, created, done, segment, versioned},
    idempotency,
    page::{Listing, Query},
    users::listed,
    views::{GivenPermission, PermissionView, RoleView, UserView},
};
use crate::{
    application::{
        administration::Version,
        commands::define_role::{DefineRole, change_role, define_role, delete_role},
        queries::{administration, administrator::audience},
        registrar::Registrar,
    },
    domain::{administration::Right, role::Role},
    protocol::metadata::paths,
    web::{
        Web,
        api::{json, ok, problem::Problem},
    },
};

/// A role to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    /// Its unique name: the value in the `roles` claim.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// For people.
    description: Option<String>,
    /// What it allows: nothing that you do not hold yourself.
    #[serde(default)]
    permissions: Vec<GivenPermission>,
}

/// What a role is to be instead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleChange {
    /// For people; none if absent.
    description: Option<String>,
    /// All that it allows.
    permissions: Vec<GivenPermission>,
}

/// A permission, what it means here, and who has it.
#[derive(Serialize, ToSchema)]
pub(super) struct KnownPermission {
    #[serde(flatten)]
    permission: PermissionView,
    /// What it lets its holder do, where it is one of the administration API.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    /// The roles that have it.
    roles: Vec<String>,
}

fn shown(role: &Role) -> Response {
    versioned(StatusCode::OK, &Version::of(role), &RoleView::from(role))
}

/// Every permission of the administration API, and every one that a role has
#[utoipa::path(get, path = "/api/admin/permissions", tag = "Roles and groups",
    responses((status = 200, body = Listing<KnownPermission>)))]
pub(super) async fn permissions(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let roles = administration::roles(&registrar).await?;
        let here = audience(&web.ports.settings.issuer);
        let mut known: BTreeMap<(String, Option<String>), Vec<String>> = BTreeMap::new();
        for right in Right::ALL {
            known
                .entry((right.as_str().to_owned(), Some(here.clone())))
                .or_default();
        }
        for role in &roles {
            for held in &role.permissions {
                let key = (held.name.clone(), held.resource.clone());
                known.entry(key).or_default().push(role.name.clone());
            }
        }
        let meaning = |name: &str, resource: Option<&str>| {
            let right = Right::ALL.iter().find(|right| right.as_str() == name)?;
            (resource.is_none_or(|it| it == here)).then(|| right.meaning().trim())
        };
        let items = known
            .into_iter()
            .map(|((name, resource), roles)| KnownPermission {
                meaning: meaning(&name, resource.as_deref()),
                permission: PermissionView { name, resource },
                roles,
            });
        Ok(ok(&Listing::whole(items.collect())))
    };
    call(&web, &parts, work).await
}

/// All roles
#[utoipa::path(get, path = "/api/admin/roles", tag = "Roles and groups",
    responses((status = 200, body = Listing<RoleView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let roles = administration::roles(&registrar).await?;
        Ok(ok(&Listing::whole(
            roles.iter().map(RoleView::from).collect(),
        )))
    };
    call(&web, &parts, work).await
}

/// Define a role
#[utoipa::path(post, path = "/api/admin/roles", tag = "Roles and groups",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Sent again with the same content it makes nothing twice")),
    request_body = NewRole,
    responses((status = 201, body = RoleView, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn create(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = async |registrar: Registrar| {
        let making = define(&parts, &body, &registrar);
        idempotency::once(
            &web,
            (&parts, &body),
            (&registrar, Right::RolesWrite),
            making,
        )
        .await
    };
    call(&web, &parts, work).await
}

async fn define(parts: &Parts, body: &Bytes, registrar: &Registrar) -> Result<Response, Problem> {
    let new: NewRole = json::read(&parts.headers, body, MAX_BODY)?;
    let command = DefineRole {
        name: new.name,
        description: new.description,
        permissions: new.permissions.into_iter().map(Into::into).collect(),
    };
    let role = define_role(registrar, command).await?;
    let location = format!("{}/roles/{}", paths::ADMINISTRATION, segment(&role.name));
    Ok(created(
        &location,
        &Version::of(&role),
        &RoleView::from(&role),
    ))
}

/// One role
#[utoipa::path(get, path = "/api/admin/roles/{role}", tag = "Roles and groups",
    params(("role" = String, Path, description = "Its name")),
    responses((status = 200, body = RoleView, headers(("ETag" = String)))))]
pub(super) async fn read(
    State(web): State<Arc<Web>>,
    At(name): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let role = administration::role(&registrar, &name).await?;
        Ok(shown(&role))
    };
    call(&web, &parts, work).await
}

/// Say anew what a role is for and what it allows
#[utoipa::path(put, path = "/api/admin/roles/{role}", tag = "Roles and groups",
    params(("role" = String, Path, description = "Its name"), ("If-Match" = String, Header)),
    request_body = RoleChange,
    responses((status = 200, body = RoleView, headers(("ETag" = String)))))]
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    At(name): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let change: RoleChange = json::read(&parts.headers, &body, MAX_BODY)?;
        let permissions = change.permissions.into_iter().map(Into::into).collect();
        let role = change_role(&registrar, &name, change.description, permissions).await?;
        Ok(shown(&role))
    };
    call_on_version(&web, &parts, work).await
}

/// Remove a role from whoever has it
#[utoipa::path(delete, path = "/api/admin/roles/{role}", tag = "Roles and groups",
    params(("role" = String, Path, description = "Its name"), ("If-Match" = String, Header)),
    responses((status = 204)))]
pub(super) async fn remove(
    State(web): State<Arc<Web>>,
    At(name): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        delete_role(&registrar, &name).await?;
        Ok(done())
    };
    call_on_version(&web, &parts, work).await
}

/// Users who were given a role themselves, not by a group
#[utoipa::path(get, path = "/api/admin/roles/{role}/users", tag = "Roles and groups",
    params(
        ("role" = String, Path, description = "Its name"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "Items of the page; 50 if absent"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses((status = 200, body = Listing<UserView>)))]
pub(super) async fn users(
    State(web): State<Arc<Web>>,
    At(name): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let query = Query::read(&web, &parts, &["limit", "after"])?;
        let page = query.page()?;
        let found = administration::users_with_role(&registrar, &name, &page).await?;
        Ok(listed(&query, found))
    };
    call(&web, &parts, work).await
}
