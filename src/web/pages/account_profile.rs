//! What users say about themselves: the standard claims, in a form.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{
    account::{ACCOUNT, form_token, on, visit},
    account_views::{Done, FieldView, ProfilePage},
    own_login::TO_PROFILE,
};
use crate::{
    application::commands::change_profile::change_profile,
    domain::{
        profile::{Misfit, ProfileField},
        user::Profile,
    },
    web::{Web, answer, context, respond, session},
};

/// The form.
pub const PROFILE: &str = "/account/profile";

/// GET: the form with what is known.
pub async fn get(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    match session::current(&web.ports, &session).await {
        Ok(Some((_, user))) => {
            let known = ProfileField::ALL
                .iter()
                .map(|field| known(*field, &user.profile));
            show(&session, StatusCode::OK, known.collect())
        }
        Ok(None) => answer::see_other(TO_PROFILE),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

fn known(field: ProfileField, profile: &Profile) -> FieldView {
    FieldView {
        field,
        value: field.of(profile).unwrap_or_default(),
        error: None,
    }
}

fn show(session: &Session, status: StatusCode, fields: Vec<FieldView>) -> Response {
    let page = ProfilePage {
        csrf: &form_token(session),
        fields,
    };
    respond::html(status, &page)
}

/// POST: all fields as they are to be. What is empty or not sent is nothing.
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
    let mut values = Vec::new();
    let mut fields = Vec::new();
    let mut is_fit = true;
    for field in ProfileField::ALL.iter().copied() {
        let name = field.claim();
        let typed = visit.params.get(name);
        let parsed = if visit.params.is_faulty(name) {
            Err(Misfit("This is too long, or was sent twice."))
        } else {
            typed.map_or(Ok(None), |typed| field.parse(typed))
        };
        let error = match parsed {
            Ok(value) => {
                values.push((field, value));
                None
            }
            Err(Misfit(text)) => Some(text),
        };
        is_fit &= error.is_none();
        fields.push(FieldView {
            field,
            value: typed.unwrap_or_default().to_owned(),
            error,
        });
    }
    if !is_fit {
        return show(&session, StatusCode::UNPROCESSABLE_ENTITY, fields);
    }
    let origin = context::origin(&parts);
    match change_profile(&web.ports, &visit.user.id, &values, &origin).await {
        Ok(true) => on(Done::Profile),
        Ok(false) => answer::see_other(ACCOUNT),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}
