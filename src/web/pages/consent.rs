//! The consent page and its form.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{
    ClientLinks, ClientView, ConsentPage, ErrorCause, HttpsUrl, ScopeText, claim_words,
    client_logo,
    login::{checked_form, display_name},
    way,
};
use crate::{
    application::commands::authorize,
    domain::client::Client,
    protocol::authentication::{Question, Step},
    web::{Web, answer, context, cookies, respond, session},
};

/// GET: who asks for what.
pub async fn get(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    let trace = context::trace(&parts);
    let query = context::query(&parts.uri);
    let Some(id) = query.get("interaction") else {
        return respond::error(ErrorCause::ExpiredInteraction, trace);
    };
    let secret = web.cookies.interaction(&parts.headers, id);
    let current = match session::current(&web.ports, &session).await {
        Ok(current) => current,
        Err(failure) => return answer::failure_page(&failure, trace),
    };
    let login = current.as_ref().map(|(login, _)| login);
    let waiting = match authorize::look(&web.ports, id, secret.as_deref(), login).await {
        Ok(waiting) => waiting,
        Err(error) => return way::interaction_error(&web, &parts, &error).await,
    };
    let client = &waiting.client;
    let (Step::Ask(Question::Consent), Some((_, user))) = (&waiting.step, &current) else {
        return answer::see_other(&way::resume(id, &client.id));
    };
    let request = &waiting.interaction.request;
    let view = ClientView::new(&client.name, &request.redirect_uri).with_links(links(client));
    let logo = client_logo::address(client);
    let page = ConsentPage {
        interaction: id,
        csrf: &cookies::form_token(secret.as_deref().unwrap_or_default()),
        client: view,
        logo: logo.as_deref(),
        action: &way::to(Question::Consent, id, &client.id),
        another: &way::to_another_account(id, &client.id),
        user: &display_name(user),
        scopes: ScopeText::by_meaning(request.scope.iter()),
        claims: claim_words(request.claims.granted.names(), &request.scope),
    };
    respond::html(StatusCode::OK, &page)
}

fn links(client: &Client) -> ClientLinks<'_> {
    fn parse(link: Option<&String>) -> Option<HttpsUrl<'_>> {
        link.and_then(|link| HttpsUrl::parse(link))
    }
    ClientLinks {
        home: parse(client.links.client.as_ref()),
        policy: parse(client.links.policy.as_ref()),
        terms: parse(client.links.terms.as_ref()),
    }
}

/// POST: the decision.
pub async fn post(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let trace = context::trace(&parts);
    let (params, id, secret) = match checked_form(&web, &parts, &body) {
        Ok(form) => form,
        Err(cause) => return way::lost(&web, &parts, cause).await,
    };
    let login = match session::current(&web.ports, &session).await {
        Ok(login) => login.map(|(login, _)| login),
        Err(failure) => return answer::failure_page(&failure, trace),
    };
    let origin = context::origin(&parts);
    match (params.get("decision"), login) {
        (Some("approve"), Some(login)) => {
            match authorize::grant_consent(&web.ports, &id, secret.as_deref(), &login, &origin)
                .await
            {
                Ok(()) => way::on(&parts, &id),
                Err(error) => way::interaction_error(&web, &parts, &error).await,
            }
        }
        // Logged out meanwhile: back to the junction, which knows the way.
        (Some("approve"), None) => way::on(&parts, &id),
        (Some("cancel"), login) => {
            match authorize::decline(&web.ports, &id, secret.as_deref(), login.as_ref(), &origin)
                .await
            {
                Ok(delivery) => {
                    let mut response = answer::deliver(&web.ports, &delivery, trace);
                    if let Some(removal) = web.cookies.remove_interaction(&id) {
                        response.headers_mut().append(header::SET_COOKIE, removal);
                    }
                    response
                }
                Err(error) => way::interaction_error(&web, &parts, &error).await,
            }
        }
        _ => way::lost(&web, &parts, ErrorCause::MalformedRequest).await,
    }
}
