//! `/api/admin/groups`.

use std::{collections::BTreeSet, sync::Arc};

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
    page::{Listing, Query},
    users::listed,
    views::{GroupView, UserView},
};
use crate::{
    application::{
        administration::Version,
        commands::define_group::{DefineGroup, change_group, define_group, delete_group},
        queries::administration,
        registrar::{Registrar, RegistrarError},
    },
    domain::{administration::Right, role::Group},
    protocol::metadata::paths,
    web::{
        Web,
        api::{json, ok, problem::Problem},
    },
};

/// A group to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGroup {
    /// Its unique name: the value in the `groups` claim.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Names of the roles that its members have.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    roles: BTreeSet<String>,
    /// The group around it; groups stand eight deep at most.
    parent: Option<String>,
}

/// What a group is to be instead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupChange {
    /// Names of all roles that its members have.
    #[schema(value_type = Vec<String>)]
    roles: BTreeSet<String>,
    /// The group around it; none if absent.
    parent: Option<String>,
}

async fn view(registrar: &Registrar, group: &Group) -> Result<GroupView, RegistrarError> {
    let groups = administration::groups(registrar).await?;
    let roles = administration::roles(registrar).await?;
    Ok(GroupView::new(group, &groups, &roles))
}

/// All groups
#[utoipa::path(get, path = "/api/admin/groups", tag = "Roles and groups",
    responses((status = 200, body = Listing<GroupView>)))]
pub(super) async fn list(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let work = async |registrar: Registrar| {
        let groups = administration::groups(&registrar).await?;
        let roles = administration::roles(&registrar).await?;
        let items = groups
            .iter()
            .map(|group| GroupView::new(group, &groups, &roles));
        Ok(ok(&Listing::whole(items.collect())))
    };
    call(&web, &parts, work).await
}

/// Make a group
#[utoipa::path(post, path = "/api/admin/groups", tag = "Roles and groups",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Sent again with the same content it makes nothing twice")),
    request_body = NewGroup,
    responses((status = 201, body = GroupView, headers(("ETag" = String), ("Location" = String)))))]
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
    let new: NewGroup = json::read(&parts.headers, body, MAX_BODY)?;
    let command = DefineGroup {
        name: new.name.clone(),
        roles: new.roles.clone(),
        parent: new.parent.clone(),
    };
    let group = define_group(registrar, command).await?;
    let location = format!("{}/groups/{}", paths::ADMINISTRATION, segment(&group.name));
    let view = GroupView::named(new.name, new.roles, new.parent);
    Ok(created(&location, &Version::of(&group), &view))
}

/// One group
#[utoipa::path(get, path = "/api/admin/groups/{group}", tag = "Roles and groups",
    params(("group" = String, Path, description = "Its name")),
    responses((status = 200, body = GroupView, headers(("ETag" = String)))))]
pub(super) async fn read(
    State(web): State<Arc<Web>>,
    At(name): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let group = administration::group(&registrar, &name).await?;
        let view = view(&registrar, &group).await?;
        Ok(versioned(StatusCode::OK, &Version::of(&group), &view))
    };
    call(&web, &parts, work).await
}

/// Say anew which roles a group has and which group is around it
#[utoipa::path(put, path = "/api/admin/groups/{group}", tag = "Roles and groups",
    params(("group" = String, Path, description = "Its name"), ("If-Match" = String, Header)),
    request_body = GroupChange,
    responses((status = 200, body = GroupView, headers(("ETag" = String)))))]
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    At(name): At<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let change: GroupChange = json::read(&parts.headers, &body, MAX_BODY)?;
        let parent = change.parent.as_deref();
        let group = change_group(&registrar, &name, &change.roles, parent).await?;
        let view = GroupView::named(name, change.roles, change.parent);
        Ok(versioned(StatusCode::OK, &Version::of(&group), &view))
    };
    call_on_version(&web, &parts, work).await
}

/// Remove a group; those within it stand by themselves afterwards
#[utoipa::path(delete, path = "/api/admin/groups/{group}", tag = "Roles and groups",
    params(("group" = String, Path, description = "Its name"), ("If-Match" = String, Header)),
    responses((status = 204)))]
pub(super) async fn remove(
    State(web): State<Arc<Web>>,
    At(name): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        delete_group(&registrar, &name).await?;
        Ok(done())
    };
    call_on_version(&web, &parts, work).await
}

/// Users who are in a group itself, not in one within it
#[utoipa::path(get, path = "/api/admin/groups/{group}/users", tag = "Roles and groups",
    params(
        ("group" = String, Path, description = "Its name"),
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
        let found = administration::users_in_group(&registrar, &name, &page).await?;
        Ok(listed(&query, found))
    };
    call(&web, &parts, work).await
}
