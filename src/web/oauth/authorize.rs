//! RFC 6749 §3.1, OIDC Core §3.1.2 — the authorization endpoint, and the junction to which every
//! page of the flow returns.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use crate::{
    application::{
        commands::authorize::{self, Outcome, Ticket, Visitor},
        limits::Endpoint,
    },
    protocol::{
        authentication::Question, authorization::Unanswerable, metadata::paths, params::Params,
    },
    web::{
        Web, answer, context, limits,
        pages::{ErrorCause, way},
        respond, session,
    },
};

/// A URL longer than this is not made of a form.
const MAX_REDIRECTED_FORM: usize = 6 * 1024;

/// GET and POST: a new request.
pub async fn handle(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    if let Err(limited) = limits::enter(&web, &parts, Endpoint::Authorization).await {
        return limits::refuse_page(limited, &parts);
    }
    let mut params = context::query(&parts.uri);
    if parts.method == Method::POST {
        if !context::is_form(&parts.headers) {
            return respond::error(ErrorCause::MalformedRequest, context::trace(&parts));
        }
        if let Some(location) = as_get(&web, &parts, &body) {
            return answer::see_other(&location);
        }
        params.extend(&body);
    }
    begin(&web, &session, &parts, params).await
}

/// A cross-site form post comes without our Lax cookies, so whoever is logged in would seem not to
/// be. The same request as a GET brings them along.
fn as_get(web: &Web, parts: &Parts, body: &Bytes) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let fits =
        body.len() <= MAX_REDIRECTED_FORM && body.bytes().all(|byte| byte.is_ascii_graphic());
    let may_hide_a_login = !web.cookies.has_session(&parts.headers)
        && parts.uri.query().is_none_or(str::is_empty)
        && parts.headers.contains_key(header::ORIGIN)
        && !context::is_same_origin(&parts.headers, &web.ports.settings.issuer.origin());
    (fits && may_hide_a_login).then(|| format!("{}?{body}", paths::AUTHORIZE))
}

async fn begin(web: &Web, session: &Session, parts: &Parts, params: Params) -> Response {
    let trace = context::trace(parts);
    let login = match session::current(&web.ports, session).await {
        Ok(login) => login.map(|(login, _)| login),
        Err(failure) => return answer::failure_page(&failure, trace),
    };
    if let Some(login) = &login {
        let limits = &web.ports.limits;
        let taken = limits.take_account(Endpoint::Authorization, &login.user);
        if let Err(limited) = taken.await {
            return limits::refuse_page(limited, parts);
        }
    }
    let browser_state = session::browser_state(session);
    let visitor = Visitor {
        login: login.as_ref(),
        browser_state: browser_state.as_deref(),
        origin: &|| context::origin(parts),
    };
    match authorize::begin(&web.ports, params, visitor).await {
        Ok(outcome) => show(web, parts, outcome, visitor).await,
        Err(failure) => answer::failure_page(&failure, trace),
    }
}

/// GET: an interaction goes on after a page did its work.
pub async fn resume(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    let trace = context::trace(&parts);
    let query = context::query(&parts.uri);
    let Some(id) = query.get("interaction") else {
        return respond::error(ErrorCause::ExpiredInteraction, trace);
    };
    let login = match session::current(&web.ports, &session).await {
        Ok(login) => login.map(|(login, _)| login),
        Err(failure) => return answer::failure_page(&failure, trace),
    };
    let secret = web.cookies.interaction(&parts.headers, id);
    let browser_state = session::browser_state(&session);
    let visitor = Visitor {
        login: login.as_ref(),
        browser_state: browser_state.as_deref(),
        origin: &|| context::origin(&parts),
    };
    match authorize::resume(&web.ports, id, secret.as_deref(), visitor).await {
        Ok(outcome) => {
            let is_over = matches!(outcome, Outcome::Respond(_));
            let mut response = show(&web, &parts, outcome, visitor).await;
            if is_over && let Some(removal) = web.cookies.remove_interaction(id) {
                response.headers_mut().append(header::SET_COOKIE, removal);
            }
            response
        }
        Err(error) => way::interaction_error(&web, &parts, &error).await,
    }
}

async fn show(web: &Web, parts: &Parts, outcome: Outcome, visitor: Visitor<'_>) -> Response {
    match outcome {
        Outcome::Respond(delivery) => {
            let mut response = answer::deliver(&web.ports, &delivery, context::trace(parts));
            // So that our frame finds what the response's `session_state` was made of.
            if let (Some(_), Some(state)) = (visitor.login, visitor.browser_state)
                && let Some(cookie) = web.cookies.set_browser_state(&parts.headers, state)
            {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Outcome::Ask(question, ticket) => page(web, &parts.headers, question, &ticket),
        Outcome::Unanswerable(reason) => way::lost(web, parts, cause(&reason)).await,
    }
}

fn page(web: &Web, headers: &HeaderMap, question: Question, ticket: &Ticket) -> Response {
    let mut response = answer::see_other(&way::to(question, &ticket.id, &ticket.client));
    if let Some(secret) = &ticket.secret {
        let seconds = web.ports.settings.lifetimes.interaction.as_secs();
        for cookie in web
            .cookies
            .set_interaction(headers, &ticket.id, secret, seconds)
        {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn cause(reason: &Unanswerable) -> ErrorCause {
    match reason {
        Unanswerable::NoClient => ErrorCause::MissingParameter,
        Unanswerable::UnknownClient(_) => ErrorCause::UnknownClient,
        Unanswerable::NoRedirectUri | Unanswerable::ForeignRedirectUri(_) => {
            ErrorCause::InvalidRedirectUri
        }
    }
}
