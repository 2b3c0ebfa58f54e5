//! OIDC Session Management 1.0 §3.3 — the frame that clients ask whether the session is still the same.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use crate::web::{Web, answer, pages::CheckSessionPage, respond};

/// GET: the frame. It says nothing about anybody; its script reads a cookie of the browser.
pub async fn get(State(web): State<Arc<Web>>) -> Response {
    let page = CheckSessionPage {
        cookie: web.cookies.browser_state_name(),
        nonce: answer::nonce(&web.ports),
    };
    respond::html(StatusCode::OK, &page)
}
