//! OpenID Connect RP-Initiated Logout 1.0 §2 — the logout endpoint and its confirmation.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use crate::{
    application::{
        Failure,
        commands::{
            end_session::{end_session, read_hint},
            log_out::{self, Pending},
        },
        trail::Origin,
    },
    domain::{client::Client, user::User},
    protocol::{
        authentication::Login,
        logout::{Decision, Hint, LogoutRequest, Refusal, decide},
        logout_token,
        params::Params,
    },
    web::{
        Web, answer, context, cookies,
        pages::{ErrorCause, HttpsUrl, LoggedOutPage, LogoutPage, ReturnUrl},
        respond, session,
    },
};

/// GET and POST: a client or a person wants the session to end.
pub async fn handle(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let trace = context::trace(&parts);
    let mut params = context::query(&parts.uri);
    if parts.method == Method::POST {
        if !body.is_empty() && !context::is_form(&parts.headers) {
            return respond::error(ErrorCause::MalformedRequest, trace);
        }
        params.extend(&body);
    }
    match respond(&web, &session, &parts, &params).await {
        Ok(response) => response,
        Err(failure) => answer::failure_page(&failure, trace),
    }
}

async fn respond(
    web: &Web,
    session: &Session,
    parts: &Parts,
    params: &Params,
) -> Result<Response, Failure> {
    let trace = context::trace(parts);
    let request = LogoutRequest::parse(params)?;
    let hint = match &request.id_token_hint {
        None => None,
        Some(token) => match read_hint(&web.ports, token).await {
            Some(hint) => Some(hint),
            None => return Ok(respond::error(ErrorCause::InvalidLogoutHint, trace)),
        },
    };
    let client = client_of(web, &request, hint.as_ref()).await?;
    let current = session::current(&web.ports, session).await?;
    let ids = current
        .as_ref()
        .map(|(login, _)| (&login.user, &login.authentication.session));
    match decide(&request, hint.as_ref(), client.as_ref(), ids) {
        Decision::End(destination) => {
            finish(
                web,
                session,
                parts,
                current.as_ref().map(|(login, _)| login),
                destination,
            )
            .await
        }
        Decision::Confirm(destination) => match current {
            Some((_, user)) => confirm(web, parts, &user, (client.as_ref(), destination)).await,
            // Nobody is logged in: there is nothing to confirm, and nothing to tell anyone else.
            None => finish(web, session, parts, None, None).await,
        },
        Decision::Refuse(Refusal::RedirectUri) => {
            Ok(respond::error(ErrorCause::InvalidLogoutRedirect, trace))
        }
        Decision::Refuse(Refusal::Client) => {
            Ok(respond::error(ErrorCause::InvalidLogoutHint, trace))
        }
    }
}

async fn client_of(
    web: &Web,
    request: &LogoutRequest,
    hint: Option<&Hint>,
) -> Result<Option<Client>, Failure> {
    let id = hint.map(|hint| &hint.client).or(request.client.as_ref());
    match id {
        Some(id) => Ok(web
            .ports
            .store
            .reader()
            .client(id)
            .await?
            .filter(Client::is_active)),
        None => Ok(None),
    }
}

/// Shows the page that asks. What was asked waits in a record that this browser's cookie opens.
async fn confirm(
    web: &Web,
    parts: &Parts,
    user: &User,
    (client, destination): (Option<&Client>, Option<String>),
) -> Result<Response, Failure> {
    let (id, secret) = log_out::wait(&web.ports, destination).await?;
    let page = LogoutPage {
        interaction: &id,
        csrf: &cookies::form_token(&secret),
        user: user.username.as_str(),
        client_name: client.map(|client| client.name.as_str()),
        cancel_path: "/",
    };
    let mut response = respond::html(StatusCode::OK, &page);
    let seconds = web.ports.settings.lifetimes.interaction.as_secs();
    for cookie in web
        .cookies
        .set_interaction(&parts.headers, &id, &secret, seconds)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// POST: the person confirmed.
pub async fn confirmed(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let trace = context::trace(&parts);
    if !context::is_same_origin(&parts.headers, &web.ports.settings.issuer.origin()) {
        return respond::error(ErrorCause::CrossSitePost, trace);
    }
    if !context::is_form(&parts.headers) {
        return respond::error(ErrorCause::MalformedRequest, trace);
    }
    let params = Params::parse(&body);
    let id = params.get("interaction").unwrap_or_default();
    let secret = web.cookies.interaction(&parts.headers, id);
    if !cookies::is_form_token(secret.as_deref(), params.get("csrf")) {
        return respond::error(ErrorCause::CrossSitePost, trace);
    }
    match take_and_finish(&web, &session, &parts, (id, secret.as_deref())).await {
        Ok(response) => response,
        Err(failure) => answer::failure_page(&failure, trace),
    }
}

async fn take_and_finish(
    web: &Web,
    session: &Session,
    parts: &Parts,
    (id, secret): (&str, Option<&str>),
) -> Result<Response, Failure> {
    let Some(Pending { destination, .. }) = log_out::take(&web.ports, id, secret).await? else {
        return Ok(respond::error(
            ErrorCause::ExpiredInteraction,
            context::trace(parts),
        ));
    };
    let current = session::current(&web.ports, session).await?;
    let mut response = finish(
        web,
        session,
        parts,
        current.as_ref().map(|(login, _)| login),
        destination,
    )
    .await?;
    append(&mut response, web.cookies.remove_interaction(id));
    Ok(response)
}

/// The applications of a session that hear of its end.
#[derive(Default)]
struct Told {
    /// What frames of the page load.
    frames: Vec<String>,
    /// Their names.
    names: Vec<String>,
}

/// Ends the session. Logout tokens are on their way already; frames are up to the page.
async fn told(web: &Web, login: &Login, origin: &Origin) -> Result<Told, Failure> {
    let mut told = Told::default();
    let (issuer, session) = (&web.ports.settings.issuer, &login.authentication.session);
    for client in end_session(&web.ports, login, origin).await? {
        let logout = &client.logout;
        if let Some(uri) = &logout.frontchannel_uri {
            told.frames
                .extend(logout_token::frame(uri, issuer, session));
        }
        if logout.frontchannel_uri.is_some() || logout.backchannel_uri.is_some() {
            told.names.push(client.name.clone());
        }
    }
    Ok(told)
}

/// Ends the session and goes where it was asked, or to the page that says that it is over.
async fn finish(
    web: &Web,
    session: &Session,
    parts: &Parts,
    login: Option<&Login>,
    destination: Option<String>,
) -> Result<Response, Failure> {
    let told = match login {
        Some(login) => told(web, login, &context::origin(parts)).await?,
        None => Told::default(),
    };
    let removal = session::end(session, &web.cookies).await?;
    let mut response = if told.frames.is_empty() && (destination.is_some() || told.names.is_empty())
    {
        answer::see_other(destination.as_deref().unwrap_or("/logged-out"))
    } else {
        let page = LoggedOutPage {
            frames: told
                .frames
                .iter()
                .filter_map(|it| HttpsUrl::parse(it))
                .collect(),
            told: &told.names,
            next: destination.as_deref().and_then(ReturnUrl::parse),
        };
        respond::html(StatusCode::OK, &page)
    };
    append(&mut response, removal);
    append(&mut response, web.cookies.remove_browser_state());
    Ok(response)
}

fn append(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
