//! The page that offers the account of this browser, or another one (`prompt=select_account`, OIDC
//! Core §3.1.2.1).

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{
    ChoosePage, ClientView, ErrorCause,
    login::{checked_form, display_name},
    way,
};
use crate::{
    application::commands::authorize,
    protocol::authentication::{Question, Step},
    web::{Web, answer, context, cookies, respond, session},
};

/// GET: the accounts.
pub async fn get(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    let trace = context::trace(&parts);
    let query = context::query(&parts.uri);
    let Some(id) = query.get("interaction") else {
        return respond::error(ErrorCause::ExpiredInteraction, trace);
    };
    let current = match session::current(&web.ports, &session).await {
        Ok(current) => current,
        Err(failure) => return answer::failure_page(&failure, trace),
    };
    let secret = web.cookies.interaction(&parts.headers, id);
    let login = current.as_ref().map(|(login, _)| login);
    let waiting = match authorize::look(&web.ports, id, secret.as_deref(), login).await {
        Ok(waiting) => waiting,
        Err(error) => return way::interaction_error(&web, &parts, &error).await,
    };
    let client = &waiting.client;
    let (Step::Ask(Question::Choose), Some((_, user))) = (&waiting.step, &current) else {
        return answer::see_other(&way::resume(id, &client.id));
    };
    let page = ChoosePage {
        action: &way::to(Question::Choose, id, &client.id),
        another: &way::to_another_account(id, &client.id),
        interaction: id,
        csrf: &cookies::form_token(secret.as_deref().unwrap_or_default()),
        client: ClientView::new(&client.name, &waiting.interaction.request.redirect_uri),
        account: user.id.as_str(),
        user: &display_name(user),
        username: user.username.as_str(),
    };
    respond::html(StatusCode::OK, &page)
}

/// POST: the choice. It counts for the account that the page showed, whoever is logged in by now.
pub async fn post(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let (params, id, secret) = match checked_form(&web, &parts, &body) {
        Ok(form) => form,
        Err(cause) => return way::lost(&web, &parts, cause).await,
    };
    let login = match session::current(&web.ports, &session).await {
        Ok(current) => current.map(|(login, _)| login),
        Err(failure) => return answer::failure_page(&failure, context::trace(&parts)),
    };
    let chosen = login.filter(|login| params.get("account") == Some(login.user.as_str()));
    let Some(login) = chosen else {
        return way::on(&parts, &id);
    };
    match authorize::note_choice(&web.ports, &id, secret.as_deref(), &login.user).await {
        Ok(()) => way::on(&parts, &id),
        Err(error) => way::interaction_error(&web, &parts, &error).await,
    }
}
