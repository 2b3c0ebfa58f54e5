//! Every route of the public listener, on one page.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::{any, get, post},
};
use tower_sessions::{Expiry, SessionManagerLayer, SessionStore, cookie::SameSite};

use super::{
    Web, answer, api, assets,
    compression::compressed,
    context,
    oauth::{
        authorize, check_session, introspect, logout, metadata, register as registration, revoke,
        token, userinfo,
    },
    pages::{
        ErrorCause, IndexPage, LoggedOutPage, ServerMode, account, account_deletion,
        account_profile, account_sessions, choose, client_logo, confirm_email, consent, login,
        register, reset, way,
    },
    respond,
};
use crate::protocol::{
    error::{ErrorCode, OAuthError},
    metadata::paths,
};

/// The public routes, without the guard around them. Only a server in development mode mounts the
/// playground and the mail that was sent.
pub fn router<S: SessionStore + Clone>(
    web: Arc<Web>,
    sessions: S,
    development: Option<Router<Arc<Web>>>,
) -> Router {
    let development = development.filter(|_| web.mode == ServerMode::Development);
    let authorize_resume = format!("{}/resume", paths::AUTHORIZE);
    let logout_confirm = format!("{}/confirm", paths::LOGOUT);
    let pages = Router::new()
        .route(
            paths::AUTHORIZE,
            get(authorize::handle).post(authorize::handle),
        )
        .route(&authorize_resume, get(authorize::resume))
        .route(paths::LOGOUT, get(logout::handle).post(logout::handle))
        .route(&logout_confirm, post(logout::confirmed))
        .route("/login", get(login::get).post(login::post))
        .route(way::CHOOSE, get(choose::get).post(choose::post))
        .route("/consent", get(consent::get).post(consent::post))
        .route(account::ACCOUNT, get(account::get))
        .route("/account/password", post(account::password))
        .route(
            "/account/email",
            get(confirm_email::get).post(account::email),
        )
        .route(confirm_email::CONFIRM, post(confirm_email::post))
        .route("/account/withdraw", post(account::withdraw))
        .route(
            account_profile::PROFILE,
            get(account_profile::get).post(account_profile::post),
        )
        .route("/account/end-session", post(account_sessions::end_one))
        .route("/account/end-others", post(account_sessions::end_others))
        .route("/account/end-sessions", post(account_sessions::end_all))
        .route(
            account_deletion::DELETION,
            get(account_deletion::get).post(account_deletion::post),
        )
        .route("/account/data", get(account::data))
        .layer(session_layer(&web, sessions))
        .route(register::REGISTER, get(register::ask).post(register::send))
        .route(register::FINISH, get(register::get).post(register::post))
        .route(reset::FORGOT, get(reset::ask).post(reset::send))
        .route(reset::RESET, get(reset::get).post(reset::post))
        .route(paths::CHECK_SESSION, get(check_session::get))
        .route(client_logo::LOGO, get(client_logo::get))
        .route("/logged-out", get(logged_out))
        .route("/", get(index))
        .merge(development.unwrap_or_default())
        .layer(middleware::from_fn_with_state(web.clone(), unambiguous))
        .method_not_allowed_fallback(wrong_method_page);
    let documents = Router::new()
        .route(paths::OPENID_CONFIGURATION, get(metadata::discovery))
        .route(paths::OAUTH_METADATA, get(metadata::discovery))
        .route(paths::JWKS, get(metadata::jwks))
        .method_not_allowed_fallback(wrong_method)
        .merge(assets::router());
    let endpoints = Router::new()
        .route(paths::TOKEN, post(token::post))
        .route(paths::INTROSPECT, post(introspect::post))
        .route(paths::REVOKE, post(revoke::post))
        .route(paths::REGISTER, post(registration::post))
        .route(
            &format!("{}/{{client_id}}", paths::REGISTER),
            get(registration::get)
                .put(registration::put)
                .delete(registration::delete),
        )
        .route(
            paths::USERINFO,
            get(userinfo::handle).post(userinfo::handle),
        )
        .method_not_allowed_fallback(wrong_method);
    pages
        .merge(endpoints)
        .merge(api::router())
        .merge(compressed(documents))
        .fallback(any(not_found))
        .with_state(web)
}

/// Hides cookies of ours that come twice from the pages and the session layer, and clears them.
async fn unambiguous(State(web): State<Arc<Web>>, mut request: Request, next: Next) -> Response {
    let names = web.cookies.take_ambiguous(request.headers_mut());
    let mut response = next.run(request).await;
    web.cookies.clear(&names, response.headers_mut());
    response
}

fn session_layer<S: SessionStore + Clone>(web: &Web, store: S) -> SessionManagerLayer<S> {
    SessionManagerLayer::new(store)
        .with_name(web.cookies.session_name())
        .with_secure(web.cookies.is_secure())
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnSessionEnd)
}

async fn index(State(web): State<Arc<Web>>) -> Response {
    respond::html(
        StatusCode::OK,
        &IndexPage {
            issuer: web.ports.settings.issuer.as_str(),
            mode: web.mode,
        },
    )
}

async fn logged_out() -> Response {
    respond::html(StatusCode::OK, &LoggedOutPage::default())
}

async fn not_found(parts: Parts) -> Response {
    if api::is_api(parts.uri.path()) {
        return api::not_found(&parts);
    }
    respond::error(ErrorCause::NotFound, context::trace(&parts))
}

async fn wrong_method_page(parts: Parts) -> Response {
    respond::error(ErrorCause::MethodNotAllowed, context::trace(&parts))
}

/// 405 in the form of the protocol endpoints.
async fn wrong_method(method: Method) -> Response {
    tracing::info!(%method, "method not allowed");
    let error = OAuthError::new(
        ErrorCode::InvalidRequest,
        "the endpoint does not take this method",
    );
    let mut response = answer::error(&error);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
