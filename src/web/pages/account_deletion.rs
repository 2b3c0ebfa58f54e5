//! The end of an account, as its user wishes it.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{
    DonePage,
    account::{ACCOUNT, explain, form_token, moment, visit},
    account_views::DeletionPage,
    own_login::TO_DELETION,
};
use crate::{
    application::commands::request_deletion::{RequestDeletionError, request_deletion},
    web::{Web, answer, context, respond, session},
};

/// Where it is asked for.
pub const DELETION: &str = "/account/delete";

/// GET: what would follow.
pub async fn get(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    match session::current(&web.ports, &session).await {
        Ok(Some(_)) => show(&web, &session, StatusCode::OK, None),
        Ok(None) => answer::see_other(TO_DELETION),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

fn show(web: &Web, session: &Session, status: StatusCode, error: Option<String>) -> Response {
    let grace = web.ports.settings.deletion_grace;
    let page = DeletionPage {
        csrf: &form_token(session),
        day: (!grace.is_zero()).then(|| moment(web.ports.clock.now().plus(grace))),
        error,
        nonce: answer::nonce(&web.ports),
    };
    respond::html(status, &page)
}

/// POST: the account is locked, and will be removed.
pub async fn post(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let visit = match visit(&web, &session, &parts, &body).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let device = web.cookies.device(&parts.headers);
    let proven = visit.proven(device.as_ref());
    let origin = context::origin(&parts);
    let due = match request_deletion(&web.ports, proven, &origin).await {
        Ok(due) => due,
        Err(RequestDeletionError::LastOwner) => {
            let text = "You are the last one who may do everything here. Make somebody else an owner first. Nothing was changed.";
            return show(&web, &session, StatusCode::CONFLICT, Some(text.to_owned()));
        }
        Err(RequestDeletionError::Unproven(error)) => {
            return match explain(error) {
                Ok((status, text)) => show(&web, &session, status, Some(text)),
                Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
            };
        }
    };
    match session::end(&session, &web.cookies).await {
        Ok(removal) => {
            let grace = !web.ports.settings.deletion_grace.is_zero();
            let mut response = farewell(grace.then(|| moment(due)));
            if let Some(removal) = removal {
                response.headers_mut().append(header::SET_COOKIE, removal);
            }
            response
        }
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

fn farewell(day: Option<String>) -> Response {
    let removal = match day {
        Some(day) => format!(
            "It will be removed on {day}. If you change your mind before then, ask the people who run this site to give it back to you."
        ),
        None => "It will be removed within minutes.".to_owned(),
    };
    let page = DonePage {
        id: "deletion-requested",
        heading: "Your account is locked",
        paragraphs: &[
            "You are signed out everywhere, and applications have lost their access.",
            &removal,
        ],
        next: ACCOUNT,
        label: "Sign in with another account",
    };
    respond::html(StatusCode::OK, &page)
}
