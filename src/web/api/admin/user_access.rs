//! `/api/admin/users/{id}/access` and what it is made of: roles, groups and direct claims of a user.

use std::sync::Arc;

use axum::{body::Bytes, extract::State, http::request::Parts, response::Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    call::{At, MAX_BODY, call, done},
    views::AccessView,
};
use crate::{
    application::{
        commands::{
            assign_role::{Assignment, assign_role},
            define_group::{Membership, change_membership},
            set_claim::set_claim as say,
        },
        queries::administration,
        registrar::Registrar,
    },
    domain::id::UserId,
    web::{
        Web,
        api::{json, ok},
    },
};

/// A direct claim to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewClaim {
    /// Any JSON but null, 2048 bytes at most.
    #[schema(value_type = Object)]
    value: Value,
}

/// What a user is allowed, by which roles, and what is said of them besides
#[utoipa::path(get, path = "/api/admin/users/{id}/access", tag = "Access of users",
    params(("id" = String, Path)),
    responses((status = 200, body = AccessView)))]
pub(super) async fn read(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let authority = administration::authority(&registrar, &UserId::new(id)).await?;
        Ok(ok(&AccessView::from(authority)))
    };
    call(&web, &parts, work).await
}

/// Give a user a role
#[utoipa::path(put, path = "/api/admin/users/{id}/roles/{role}", tag = "Access of users",
    params(("id" = String, Path), ("role" = String, Path, description = "Its name")),
    responses((status = 204)))]
pub(super) async fn give_role(
    State(web): State<Arc<Web>>,
    At((id, role)): At<(String, String)>,
    parts: Parts,
) -> Response {
    assign(&web, &parts, (id, role), Assignment::Give).await
}

/// Take a role from a user
#[utoipa::path(delete, path = "/api/admin/users/{id}/roles/{role}", tag = "Access of users",
    params(("id" = String, Path), ("role" = String, Path, description = "Its name")),
    responses((status = 204)))]
pub(super) async fn take_role(
    State(web): State<Arc<Web>>,
    At((id, role)): At<(String, String)>,
    parts: Parts,
) -> Response {
    assign(&web, &parts, (id, role), Assignment::Take).await
}

async fn assign(
    web: &Web,
    parts: &Parts,
    (id, role): (String, String),
    assignment: Assignment,
) -> Response {
    let work = async |registrar: Registrar| {
        assign_role(&registrar, &UserId::new(id), &role, assignment).await?;
        Ok(done())
    };
    call(web, parts, work).await
}

/// Put a user into a group
#[utoipa::path(put, path = "/api/admin/users/{id}/groups/{group}", tag = "Access of users",
    params(("id" = String, Path), ("group" = String, Path, description = "Its name")),
    responses((status = 204)))]
pub(super) async fn join(
    State(web): State<Arc<Web>>,
    At((id, group)): At<(String, String)>,
    parts: Parts,
) -> Response {
    move_between(&web, &parts, (id, group), Membership::Join).await
}

/// Take a user out of a group
#[utoipa::path(delete, path = "/api/admin/users/{id}/groups/{group}", tag = "Access of users",
    params(("id" = String, Path), ("group" = String, Path, description = "Its name")),
    responses((status = 204)))]
pub(super) async fn leave(
    State(web): State<Arc<Web>>,
    At((id, group)): At<(String, String)>,
    parts: Parts,
) -> Response {
    move_between(&web, &parts, (id, group), Membership::Leave).await
}

async fn move_between(
    web: &Web,
    parts: &Parts,
    (id, group): (String, String),
    membership: Membership,
) -> Response {
    let work = async |registrar: Registrar| {
        change_membership(&registrar, &UserId::new(id), &group, membership).await?;
        Ok(done())
    };
    call(web, parts, work).await
}

/// Say something of a user that no profile has a place for
#[utoipa::path(put, path = "/api/admin/users/{id}/claims/{claim}", tag = "Access of users",
    params(("id" = String, Path), ("claim" = String, Path, description = "Its name")),
    request_body = NewClaim,
    responses((status = 204)))]
pub(super) async fn set_claim(
    State(web): State<Arc<Web>>,
    At((id, claim)): At<(String, String)>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let work = async |registrar: Registrar| {
        let new: NewClaim = json::read(&parts.headers, &body, MAX_BODY)?;
        say(&registrar, &UserId::new(id), &claim, Some(&new.value)).await?;
        Ok(done())
    };
    call(&web, &parts, work).await
}

/// Forget what was said of a user
#[utoipa::path(delete, path = "/api/admin/users/{id}/claims/{claim}", tag = "Access of users",
    params(("id" = String, Path), ("claim" = String, Path, description = "Its name")),
    responses((status = 204)))]
pub(super) async fn remove_claim(
    State(web): State<Arc<Web>>,
    At((id, claim)): At<(String, String)>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        say(&registrar, &UserId::new(id), &claim, None).await?;
        Ok(done())
    };
    call(&web, &parts, work).await
}
