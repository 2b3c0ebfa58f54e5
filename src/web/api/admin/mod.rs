//! `/api/admin`: what administrators do over the network.
//!
//! Callers bring an access token of ours for the audience `<issuer>/api/admin`; what they may do is asked
//! inside each use case (ADR 51). A change names the version that it changes (`If-Match`, RFC 9110
//! §13.1.1); what makes something can be sent again under one `Idempotency-Key`; errors are problem
//! details (RFC 9457); the whole is described at `/api/openapi.json`.

mod audit;
mod call;
mod client_members;
mod clients;
mod groups;
mod idempotency;
mod keys;
pub mod openapi;
mod outbox;
mod page;
mod resources;
mod roles;
mod user_access;
mod user_sessions;
mod users;
mod views;

use std::sync::Arc;

use axum::{
    Router,
    routing::{delete, get, post, put},
};

use crate::web::Web;

/// The routes, below [`paths::ADMINISTRATION`](crate::protocol::metadata::paths::ADMINISTRATION).
pub fn router() -> Router<Arc<Web>> {
    let people = Router::new()
        .route("/users", get(users::list).post(users::create))
        .route(
            "/users/{id}",
            get(users::read).patch(users::change).delete(users::remove),
        )
        .route("/users/{id}/activate", post(users::activate))
        .route("/users/{id}/deactivate", post(users::deactivate))
        .route("/users/{id}/unlock", post(users::unlock))
        .route("/users/{id}/password", put(users::set_password))
        .route("/users/{id}/password-reset", post(users::reset_password))
        .route("/users/{id}/invitation", post(users::invite))
        .route("/users/{id}/logins", get(audit::logins_of))
        .route("/users/{id}/access", get(user_access::read))
        .route(
            "/users/{id}/roles/{role}",
            put(user_access::give_role).delete(user_access::take_role),
        )
        .route(
            "/users/{id}/groups/{group}",
            put(user_access::join).delete(user_access::leave),
        )
        .route(
            "/users/{id}/claims/{claim}",
            put(user_access::set_claim).delete(user_access::remove_claim),
        )
        .route(
            "/users/{id}/sessions",
            get(user_sessions::list).delete(user_sessions::end_all),
        )
        .route(
            "/users/{id}/sessions/{session}",
            delete(user_sessions::end_one),
        )
        .route("/users/{id}/consents", get(user_sessions::consents))
        .route(
            "/users/{id}/consents/{client}",
            delete(user_sessions::withdraw),
        )
        .route("/users/{id}/grants", get(user_sessions::grants))
        .route("/users/{id}/grants/{grant}", delete(user_sessions::revoke));
    let rights = Router::new()
        .route("/permissions", get(roles::permissions))
        .route("/roles", get(roles::list).post(roles::create))
        .route(
            "/roles/{role}",
            get(roles::read).put(roles::change).delete(roles::remove),
        )
        .route("/roles/{role}/users", get(roles::users))
        .route("/groups/{group}/users", get(groups::users))
        .route("/groups", get(groups::list).post(groups::create))
        .route(
            "/groups/{group}",
            get(groups::read).put(groups::change).delete(groups::remove),
        );
    let applications = Router::new()
        .route("/clients", get(clients::list).post(clients::create))
        .route(
            "/clients/{id}",
            get(clients::read)
                .patch(clients::change)
                .delete(clients::remove),
        )
        .route("/clients/{id}/secrets", post(clients::rotate))
        .route("/clients/{id}/enable", post(clients::enable))
        .route("/clients/{id}/disable", post(clients::disable))
        .route("/resources", get(resources::list).post(resources::create))
        .route(
            "/resources/{identifier}",
            get(resources::read)
                .put(resources::change)
                .delete(resources::delete),
        );
    let running = Router::new()
        .route("/keys", get(keys::list))
        .route("/keys/rotate", post(keys::rotate))
        .route("/keys/{kid}/retire", post(keys::retire))
        .route("/outbox", get(outbox::list))
        .route("/outbox/retry", post(outbox::retry))
        .route("/audit", get(audit::list))
        .route("/statistics/logins", get(audit::logins));
    people.merge(rights).merge(applications).merge(running)
}
