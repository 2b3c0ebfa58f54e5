//! The login page and its form.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{ClientView, ErrorCause, LoginError, LoginPage, LoginReason};
use crate::{
    application::{
        Failure,
        commands::{
            authorize::{self, Interaction},
            end_session::end_session,
            log_in::{LogIn, LogInError, log_in},
        },
    },
    domain::{client::Client, id::UserId},
    protocol::{authentication::Login, known_device::Device, params::Params},
    web::{
        Web, answer, context, cookies,
        oauth::authorize::{interaction_error, resume_path},
        respond,
        session::{self, SessionDuration},
    },
};

/// Seconds after which a busy server may be tried again.
const RETRY_BUSY: u64 = 2;

/// What the page shows besides the interaction.
struct View<'a> {
    username: &'a str,
    duration: SessionDuration,
    error: Option<LoginError>,
    has_login: bool,
}

/// GET: the form.
pub async fn get(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    let query = context::query(&parts.uri);
    let Some(id) = query.get("interaction") else {
        return respond::error(ErrorCause::ExpiredInteraction, context::trace(&parts));
    };
    let has_login = match session::current(&web.ports, &session).await {
        Ok(login) => login.is_some(),
        Err(failure) => return answer::failure_page(&failure, context::trace(&parts)),
    };
    let view = View {
        username: "",
        duration: SessionDuration::Browser,
        error: None,
        has_login,
    };
    show(&web, &parts, id, (StatusCode::OK, view)).await
}

async fn show(
    web: &Web,
    parts: &Parts,
    id: &str,
    (status, view): (StatusCode, View<'_>),
) -> Response {
    let trace = context::trace(parts);
    let secret = web.cookies.interaction(&parts.headers, id);
    let (interaction, client) = match load(web, id, secret.as_deref()).await {
        Ok(found) => found,
        Err(error) => return interaction_error(&error, trace),
    };
    let hint = interaction
        .request
        .login_hint
        .as_deref()
        .unwrap_or_default();
    let page = LoginPage {
        interaction: id,
        csrf: &cookies::form_token(secret.as_deref().unwrap_or_default()),
        client: Some(ClientView::new(
            &client.name,
            &interaction.request.redirect_uri,
        )),
        username: if view.username.is_empty() {
            hint
        } else {
            view.username
        },
        remember: view.duration == SessionDuration::Remembered,
        reason: if view.has_login {
            LoginReason::Confirm
        } else {
            LoginReason::SignIn
        },
        error: view.error,
    };
    respond::html(status, &page)
}

/// The interaction of this browser and its client.
pub(super) async fn load(
    web: &Web,
    id: &str,
    secret: Option<&str>,
) -> Result<(Interaction, Client), authorize::InteractionError> {
    let interaction = authorize::find(&web.ports, id, secret).await?.record;
    let client = web
        .ports
        .store
        .reader()
        .client(&interaction.request.client)
        .await
        .map_err(Failure::from)?;
    let client = client
        .filter(Client::is_active)
        .ok_or(authorize::InteractionError::Over)?;
    Ok((interaction, client))
}

/// The fields that every form of the flow has, if they belong to this browser.
pub(super) fn checked_form(
    web: &Web,
    parts: &Parts,
    body: &Bytes,
) -> Result<(Params, String, Option<String>), ErrorCause> {
    if !context::is_same_origin(&parts.headers, &web.ports.settings.issuer.origin()) {
        return Err(ErrorCause::CrossSitePost);
    }
    if !context::is_form(&parts.headers) {
        return Err(ErrorCause::MalformedRequest);
    }
    let params = Params::parse(body);
    let id = params
        .get("interaction")
        .ok_or(ErrorCause::ExpiredInteraction)?
        .to_owned();
    let secret = web.cookies.interaction(&parts.headers, &id);
    if secret.is_none() {
        return Err(ErrorCause::ForeignInteraction);
    }
    if !cookies::is_form_token(secret.as_deref(), params.get("csrf")) {
        return Err(ErrorCause::CrossSitePost);
    }
    Ok((params, id, secret))
}

/// POST: name and password.
pub async fn post(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let trace = context::trace(&parts);
    let (params, id, secret) = match checked_form(&web, &parts, &body) {
        Ok(form) => form,
        Err(cause) => return respond::error(cause, trace),
    };
    let client = match load(&web, &id, secret.as_deref()).await {
        Ok((_, client)) => client,
        Err(error) => return interaction_error(&error, trace),
    };
    let device = web.cookies.device(&parts.headers);
    let duration = match params.get("remember") {
        Some(_) => SessionDuration::Remembered,
        None => SessionDuration::Browser,
    };
    let current = match session::current(&web.ports, &session).await {
        Ok(current) => current.map(|(login, _)| login),
        Err(failure) => return answer::failure_page(&failure, trace),
    };
    let name = params.get("username").unwrap_or_default();
    let password = params.get("password").unwrap_or_default();
    // A password that could not be read is too long or no text; either way it is not the right one.
    let attempt = if params.is_faulty("password") {
        Err(LogInError::TooLong)
    } else {
        let command = LogIn {
            name,
            password,
            current: current.as_ref(),
            device: device.as_ref(),
            client: Some(&client.id),
        };
        log_in(&web.ports, command, &context::origin(&parts)).await
    };
    match attempt {
        Ok(login) => {
            match enter(&web, &session, &parts, (&login, current.as_ref(), duration)).await {
                Ok(()) => {
                    match authorize::note_login(&web.ports, &id, secret.as_deref(), &login.user)
                        .await
                    {
                        Ok(()) => {
                            let mut response = answer::see_other(&resume_path(&id));
                            remember_device(&web, &mut response, device, &login.user);
                            response
                        }
                        Err(error) => interaction_error(&error, trace),
                    }
                }
                Err(failure) => answer::failure_page(&failure, trace),
            }
        }
        Err(error) => {
            let view = View {
                username: name,
                duration,
                error: None,
                has_login: current.is_some(),
            };
            refuse(&web, &parts, &id, (error, view)).await
        }
    }
}

/// Makes this browser one that the account knows, so that strangers cannot lock it out.
fn remember_device(web: &Web, response: &mut Response, device: Option<Device>, user: &UserId) {
    let device = device.unwrap_or_else(|| {
        let mut id = [0; 16];
        web.ports.rng.fill(&mut id);
        Device::new(id)
    });
    let device = web.ports.device_key.remember(device, user);
    if let Some(cookie) = web.cookies.set_device(&device) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Begins the session; that of another user in the same browser ends.
async fn enter(
    web: &Web,
    session: &Session,
    parts: &Parts,
    (login, previous, duration): (&Login, Option<&Login>, SessionDuration),
) -> Result<(), Failure> {
    if let Some(previous) = previous.filter(|previous| previous.user != login.user) {
        end_session(&web.ports, previous, &context::origin(parts)).await?;
    }
    session::begin(&web.ports, session, login, duration).await
}

async fn refuse(
    web: &Web,
    parts: &Parts,
    id: &str,
    (error, view): (LogInError, View<'_>),
) -> Response {
    let (status, error, retry) = match error {
        LogInError::Rejected => (
            StatusCode::UNPROCESSABLE_ENTITY,
            LoginError::WrongCredentials,
            None,
        ),
        LogInError::TooLong => (StatusCode::BAD_REQUEST, LoginError::WrongCredentials, None),
        LogInError::Throttled { wait } => (
            StatusCode::TOO_MANY_REQUESTS,
            LoginError::TooManyAttempts {
                minutes: wait.as_secs().div_ceil(60),
            },
            Some(wait.as_secs()),
        ),
        LogInError::Failure(Failure::Unavailable(..)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            LoginError::Busy,
            Some(RETRY_BUSY),
        ),
        LogInError::Failure(failure) => {
            return answer::failure_page(&failure, context::trace(parts));
        }
    };
    let view = View {
        error: Some(error),
        ..view
    };
    let mut response = show(web, parts, id, (status, view)).await;
    if let Some(retry) = retry {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(retry));
    }
    response
}
