//! The JSON interfaces for programs: strict readers and one form of error for all of them.
//!
//! An address below takes JSON through [`json::read`], proves its caller in its own way, and answers
//! refusals as a [`problem::Problem`]. Cookies mean nothing here, so no other site can make a browser
//! act (security.md 174).

pub mod admin;
mod auth;
mod authzen;
mod check;
pub mod json;
pub mod problem;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Response,
    routing::{get, post},
};
use serde::Serialize;

use self::problem::{Kind, Problem};
use super::{Web, answer, context, limits};
use crate::{
    application::{Failure, limits::Endpoint, ports::Document},
    protocol::{bearer, metadata::paths, params::Params},
};

/// Every address below answers as an API does, also where there is nothing.
pub const PREFIXES: [&str; 2] = ["/api/", "/access/"];

/// Whether a path belongs to an interface for programs.
pub fn is_api(path: &str) -> bool {
    PREFIXES.iter().any(|prefix| path.starts_with(prefix))
}

/// The routes of all JSON interfaces.
pub fn router() -> Router<Arc<Web>> {
    Router::new()
        .route(paths::LOGIN, post(auth::login))
        .route(paths::REFRESH, post(auth::refresh))
        .route(paths::LOGOUT_API, post(auth::logout))
        .route(paths::ME, get(auth::who))
        .route(paths::CHECK, post(check::post))
        .route(paths::ACCESS_EVALUATION, post(authzen::evaluation))
        .route(paths::ACCESS_EVALUATIONS, post(authzen::evaluations))
        .route(paths::AUTHZEN, get(authzen::metadata))
        .route(paths::OPENAPI, get(openapi))
        .nest(paths::ADMINISTRATION, admin::router())
        .method_not_allowed_fallback(wrong_method)
}

/// GET: what the administration API is, the same as long as the process runs. No secret.
async fn openapi(headers: HeaderMap) -> Response {
    static DESCRIPTION: LazyLock<Document> = LazyLock::new(|| {
        let body = serde_json::to_vec(&admin::openapi::document()).unwrap_or_default();
        Document::of(body)
    });
    answer::document(&DESCRIPTION, headers.get(header::IF_NONE_MATCH))
}

/// An answer that nobody may store.
pub fn ok<T: Serialize>(body: &T) -> Response {
    answer::json(StatusCode::OK, body)
}

/// The outcome of a handler: an answer, or a problem under the request's trace id.
pub fn finish(parts: &Parts, outcome: Result<Response, Problem>) -> Response {
    outcome.unwrap_or_else(|problem| problem.respond(context::trace(parts)))
}

/// As [`finish`], for what is counted as a request to `endpoint`.
async fn counted(
    web: &Web,
    parts: &Parts,
    endpoint: Endpoint,
    work: impl Future<Output = Result<Response, Problem>>,
) -> Response {
    match limits::enter(web, parts, endpoint).await {
        Ok(standing) => {
            let mut response = finish(parts, work.await);
            limits::tell(&mut response, standing);
            response
        }
        Err(limited) => finish(parts, Err(Failure::from(limited).into())),
    }
}

/// The access token of a request: from the header and nowhere else (RFC 6750 §2.1).
pub fn bearer_token(parts: &Parts) -> Result<&str, Problem> {
    bearer::token(None, &Params::default(), &context::query(&parts.uri))
        .map_err(|error| Problem::of(&error))?;
    let header = context::single(&parts.headers, &header::AUTHORIZATION).map_err(|_| {
        Problem::new(Kind::InvalidRequest).detail("more than one Authorization header")
    })?;
    let header = header.ok_or_else(|| Problem::new(Kind::Unauthenticated))?;
    bearer::from_header(header).map_err(|error| Problem::of(&error))
}

/// What stands where there is no such address.
pub fn not_found(parts: &Parts) -> Response {
    Problem::new(Kind::NotFound).respond(context::trace(parts))
}

async fn wrong_method(parts: Parts) -> Response {
    Problem::new(Kind::MethodNotAllowed).respond(context::trace(&parts))
}
