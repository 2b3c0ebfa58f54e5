//! `/api/admin/users/{id}/sessions`, `consents` and `grants`: where a user is signed in, and what stands
//! on it.

use std::sync::Arc;

use axum::{extract::State, http::request::Parts, response::Response};

use super::{
    call::{At, call, done, origin},
    page::{Listing, Query},
    views::{ConsentView, GrantView, SessionView},
};
use crate::{
    application::{
        administration::Account,
        commands::{
            edit_user::end_sessions, end_grant::end_grant_of_user,
            end_session_of_user::end_session_of_user, withdraw_consent::withdraw_consent,
        },
        queries::administration,
        registrar::Registrar,
    },
    domain::{
        administration::Right,
        id::{ClientId, GrantId, SessionId, UserId},
    },
    web::{
        Web,
        api::{
            ok,
            problem::{Kind, Problem},
        },
    },
};

/// Where a user is signed in, what was used last first
#[utoipa::path(get, path = "/api/admin/users/{id}/sessions", tag = "Sessions and consents",
    params(("id" = String, Path)),
    responses((status = 200, body = Listing<SessionView>)))]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let sessions = administration::sessions(&registrar, &UserId::new(id)).await?;
        let sessions = sessions.into_iter().map(SessionView::from);
        Ok(ok(&Listing::whole(sessions.collect())))
    };
    call(&web, &parts, work).await
}

/// End every session and token of a user
#[utoipa::path(delete, path = "/api/admin/users/{id}/sessions", tag = "Sessions and consents",
    params(("id" = String, Path)),
    responses((status = 204)))]
pub(super) async fn end_all(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        end_sessions(&registrar, &UserId::new(id)).await?;
        Ok(done())
    };
    call(&web, &parts, work).await
}

/// End one session of a user with all that stands on it
#[utoipa::path(delete, path = "/api/admin/users/{id}/sessions/{session}", tag = "Sessions and consents",
    params(("id" = String, Path), ("session" = String, Path)),
    responses((status = 204)))]
pub(super) async fn end_one(
    State(web): State<Arc<Web>>,
    At((id, session)): At<(String, String)>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let id = UserId::new(id);
        let user = registrar.reach(Right::UsersWrite, Account::Id(&id)).await?;
        let session = SessionId::new(session);
        let origin = origin(&registrar);
        let ended = end_session_of_user(&web.ports, &user, &session, &origin).await?;
        found(ended, "there is no such session")
    };
    call(&web, &parts, work).await
}

/// What a user allowed to applications
#[utoipa::path(get, path = "/api/admin/users/{id}/consents", tag = "Sessions and consents",
    params(("id" = String, Path)),
    responses((status = 200, body = Listing<ConsentView>)))]
pub(super) async fn consents(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let consents = administration::consents(&registrar, &UserId::new(id)).await?;
        let consents = consents.into_iter().map(ConsentView::from);
        Ok(ok(&Listing::whole(consents.collect())))
    };
    call(&web, &parts, work).await
}

/// Withdraw what a user allowed an application, and revoke what stands on it
#[utoipa::path(delete, path = "/api/admin/users/{id}/consents/{client}", tag = "Sessions and consents",
    params(("id" = String, Path), ("client" = String, Path)),
    responses((status = 204)))]
pub(super) async fn withdraw(
    State(web): State<Arc<Web>>,
    At((id, client)): At<(String, String)>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let id = UserId::new(id);
        let user = registrar
            .reach(Right::ConsentsWrite, Account::Id(&id))
            .await?;
        let client = ClientId::new(client);
        let origin = origin(&registrar);
        let withdrawn = withdraw_consent(&web.ports, &user.id, &client, &origin).await?;
        found(withdrawn, "there is no such consent")
    };
    call(&web, &parts, work).await
}

/// What a user granted an application, by single sign-ins
#[utoipa::path(get, path = "/api/admin/users/{id}/grants", tag = "Sessions and consents",
    params(
        ("id" = String, Path),
        ("client_id" = String, Query, description = "The application"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "Items of the page; 50 if absent"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses((status = 200, body = Listing<GrantView>)))]
pub(super) async fn grants(
    State(web): State<Arc<Web>>,
    At(id): At<String>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let query = Query::read(&web, &parts, &["client_id", "limit", "after"])?;
        let page = query.page()?;
        let client = query.get("client_id").ok_or_else(|| {
            Problem::new(Kind::InvalidRequest).detail("client_id says of which application")
        })?;
        let (id, client) = (UserId::new(id), ClientId::new(client));
        let records = administration::grants(&registrar, &id, &client, &page).await?;
        let key = |record: &crate::domain::grant::GrantRecord| record.grant.id.to_string();
        Ok(ok(&Listing::of(
            (&query, &page),
            records,
            key,
            GrantView::from,
        )))
    };
    call(&web, &parts, work).await
}

/// Revoke a grant and every token that stands on it
#[utoipa::path(delete, path = "/api/admin/users/{id}/grants/{grant}", tag = "Sessions and consents",
    params(("id" = String, Path), ("grant" = String, Path)),
    responses((status = 204)))]
pub(super) async fn revoke(
    State(web): State<Arc<Web>>,
    At((id, grant)): At<(String, String)>,
    parts: Parts,
) -> Response {
    let work = async |registrar: Registrar| {
        let id = UserId::new(id);
        let user = registrar
            .reach(Right::ConsentsWrite, Account::Id(&id))
            .await?;
        let grant = GrantId::new(grant);
        let revoked = end_grant_of_user(&web.ports, &user.id, &grant, &origin(&registrar)).await?;
        found(revoked, "there is no such grant")
    };
    call(&web, &parts, work).await
}

fn found(there_was_one: bool, otherwise: &'static str) -> Result<Response, Problem> {
    if there_was_one {
        Ok(done())
    } else {
        Err(Problem::new(Kind::NotFound).detail(otherwise))
    }
}
