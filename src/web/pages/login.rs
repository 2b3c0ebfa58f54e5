//! The login page and its form.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{
    ClientView, ErrorCause, LoginError, LoginPage, LoginReason, own_login, register, reset, way,
};
use crate::{
    application::{
        Failure,
        commands::{
            authorize::{self, Waiting},
            end_session::end_session,
            log_in::{LogIn, LogInError, log_in},
        },
        limits::Endpoint,
    },
    domain::{
        id::UserId,
        user::{Email, User, canonical_login_name},
    },
    protocol::{
        authentication::{Login, Question, Step},
        known_device::Device,
        params::Params,
    },
    web::{
        Web, answer, context, cookies, limits, respond,
        session::{self, SessionDuration},
    },
};

/// Seconds after which a busy server may be tried again.
pub(super) const RETRY_BUSY: u64 = 2;

/// What the page shows besides the interaction.
struct View<'a> {
    username: &'a str,
    duration: SessionDuration,
    error: Option<LoginError>,
}

/// GET: the form, as far as the flow waits for it. Who signed in meanwhile in another tab goes on.
pub async fn get(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    let trace = context::trace(&parts);
    let query = context::query(&parts.uri);
    if own_login::is_own(&query) {
        return own_login::get(&web, &session, &parts).await;
    }
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
    let asks = waiting.step == Step::Ask(Question::LogIn);
    let wants_another = current.is_some() && way::wants_another_account(&query);
    if !(asks || wants_another) {
        return answer::see_other(&way::resume(id, &waiting.client.id));
    }
    let view = View {
        username: "",
        duration: SessionDuration::Browser,
        error: None,
    };
    let user = current.as_ref().map(|(_, user)| &**user);
    let page = (id, secret.as_deref().unwrap_or_default());
    show(&web, &parts, page, (&waiting, user), (StatusCode::OK, view))
}

fn show(
    web: &Web,
    parts: &Parts,
    (id, secret): (&str, &str),
    (waiting, user): (&Waiting, Option<&User>),
    (status, view): (StatusCode, View<'_>),
) -> Response {
    let (request, client) = (&waiting.interaction.request, &waiting.client);
    let hint = request.login_hint.as_deref().unwrap_or_default();
    let name = user.map(display_name).unwrap_or_default();
    let another = way::to_another_account(id, &client.id);
    let own = way::to(Question::LogIn, id, &client.id);
    let forgot = web
        .ports
        .can_mail()
        .then(|| way::address(reset::FORGOT, id, &client.id));
    let register =
        register::is_offered(web).then(|| way::address(register::REGISTER, id, &client.id));
    let wants_another = way::wants_another_account(&context::query(&parts.uri));
    let (reason, known) = match user {
        None => (LoginReason::SignIn, hint),
        Some(_) if wants_another => (LoginReason::Another { user: &name }, ""),
        Some(user) if is_hinted(user, hint) => {
            (LoginReason::Confirm { user: &name }, user.username.as_str())
        }
        Some(_) => (LoginReason::Another { user: &name }, hint),
    };
    let page = LoginPage {
        action: if wants_another { &another } else { &own },
        another: Some(&another),
        interaction: id,
        csrf: &cookies::form_token(secret),
        client: Some(ClientView::new(&client.name, &request.redirect_uri)),
        username: if view.username.is_empty() {
            known
        } else {
            view.username
        },
        remember: view.duration == SessionDuration::Remembered,
        reason,
        error: view.error,
        forgot: forgot.as_deref(),
        register: register.as_deref(),
        nonce: answer::nonce(&web.ports),
    };
    respond::html(status, &page)
}

/// Whether a login hint may mean this user; none means whoever is there.
fn is_hinted(user: &User, hint: &str) -> bool {
    let email = user.email.as_ref().map(Email::as_str);
    hint.is_empty()
        || canonical_login_name(hint)
            .is_ok_and(|hint| hint == user.username.as_str() || Some(hint.as_str()) == email)
}

/// A user as pages call them.
pub(super) fn display_name(user: &User) -> String {
    user.full_name()
        .unwrap_or_else(|| user.username.as_str().to_owned())
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
        return Err(way::foreign(parts));
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
    if let Err(limited) = limits::enter(&web, &parts, Endpoint::Login).await {
        return limits::refuse_page(limited, &parts);
    }
    if own_login::is_own(&context::query(&parts.uri)) {
        return own_login::post(&web, &session, &parts, &body).await;
    }
    let (params, id, secret) = match checked_form(&web, &parts, &body) {
        Ok(form) => form,
        Err(cause) => return way::lost(&web, &parts, cause).await,
    };
    let current = match session::current(&web.ports, &session).await {
        Ok(current) => current,
        Err(failure) => return answer::failure_page(&failure, trace),
    };
    let previous = current.as_ref().map(|(login, _)| login);
    let waiting = match authorize::look(&web.ports, &id, secret.as_deref(), previous).await {
        Ok(waiting) => waiting,
        Err(error) => return way::interaction_error(&web, &parts, &error).await,
    };
    let device = web.cookies.device(&parts.headers);
    let duration = match params.get("remember") {
        Some(_) => SessionDuration::Remembered,
        None => SessionDuration::Browser,
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
            current: previous,
            device: device.as_ref(),
            client: Some(&waiting.client.id),
        };
        log_in(&web.ports, command, &context::origin(&parts)).await
    };
    match attempt {
        Ok(login) => {
            let entered = enter(&web, &session, &parts, (&login, previous, duration)).await;
            if let Err(failure) = entered {
                return answer::failure_page(&failure, trace);
            }
            match authorize::note_login(&web.ports, &id, secret.as_deref(), &login.user).await {
                Ok(()) => {
                    let mut response = answer::see_other(&way::resume(&id, &waiting.client.id));
                    remember_device(&web, &mut response, device, &login.user);
                    response
                }
                Err(error) => way::interaction_error(&web, &parts, &error).await,
            }
        }
        Err(error) => {
            let view = View {
                username: name,
                duration,
                error: None,
            };
            let user = current.as_ref().map(|(_, user)| &**user);
            let page = (id.as_str(), secret.as_deref().unwrap_or_default());
            refuse(&web, &parts, page, (&waiting, user), (error, view))
        }
    }
}

/// Makes this browser one that the account knows, so that strangers cannot lock it out.
pub(super) fn remember_device(
    web: &Web,
    response: &mut Response,
    device: Option<Device>,
    user: &UserId,
) {
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
pub(super) async fn enter(
    web: &Web,
    session: &Session,
    parts: &Parts,
    (login, previous, duration): (&Login, Option<&Login>, SessionDuration),
) -> Result<(), Failure> {
    if let Some(previous) = previous.filter(|previous| previous.user != login.user) {
        end_session(&web.ports, previous, &context::origin(parts)).await?;
    }
    session::begin(&web.ports, session, (login, duration), parts).await
}

fn refuse(
    web: &Web,
    parts: &Parts,
    page: (&str, &str),
    seen: (&Waiting, Option<&User>),
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
    let mut response = show(web, parts, page, seen, (status, view));
    if let Some(retry) = retry {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(retry));
    }
    response
}
