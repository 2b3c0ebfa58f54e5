//! Signing in to this server's own pages, without an application that waits.
//!
//! The form is that of the flow, with an interaction that names no request: a cookie and a token that
//! belong together. Where it leads is one of our own paths, whatever the address says
//! (security.md 153).

use axum::{
    body::Bytes,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{
    LoginError, LoginPage, LoginReason,
    account::ACCOUNT,
    login::{self, checked_form},
    register, reset,
};
use crate::{
    application::{
        Failure,
        commands::log_in::{LogIn, LogInError, log_in},
    },
    protocol::params::Params,
    web::{
        Web, answer, context, cookies, respond,
        session::{self, SessionDuration},
    },
};

/// The login page that leads to the account page.
pub(super) const TO_ACCOUNT: &str = "/login?return_to=/account";

/// The same for the form of the profile.
pub(super) const TO_PROFILE: &str = "/login?return_to=/account/profile";

/// The same for the end of the account.
pub(super) const TO_DELETION: &str = "/login?return_to=/account/delete";

/// Whether a request to the login page comes from a page of ours and not from the flow.
pub(super) fn is_own(query: &Params) -> bool {
    query.get("interaction").is_none() && query.get("return_to").is_some()
}

/// Where to go on: the account page or one below it. Anything else is the account page.
fn destination(query: &Params) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    query
        .get("return_to")
        .filter(|path| path.chars().all(is_plain))
        .filter(|path| {
            path.strip_prefix(ACCOUNT).is_some_and(|rest| {
                rest.is_empty() || (rest.starts_with('/') && !rest.contains("//"))
            })
        })
        .unwrap_or(ACCOUNT)
}

/// GET: the form.
pub(super) async fn get(web: &Web, session: &Session, parts: &Parts) -> Response {
    let query = context::query(&parts.uri);
    match session::current(&web.ports, session).await {
        Ok(Some(_)) => answer::see_other(destination(&query)),
        Ok(None) => {
            let (id, secret) = (web.ports.identifier(), web.ports.secret());
            let mut response = show(web, (&id, &secret), destination(&query), View::default());
            let seconds = web.ports.settings.lifetimes.interaction.as_secs();
            let cookies = web
                .cookies
                .set_interaction(&parts.headers, &id, &secret, seconds);
            for cookie in cookies {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(failure) => answer::failure_page(&failure, context::trace(parts)),
    }
}

#[derive(Clone, Copy, Default)]
struct View<'a> {
    username: &'a str,
    remember: bool,
    error: Option<LoginError>,
}

fn show(web: &Web, (id, secret): (&str, &str), destination: &str, view: View<'_>) -> Response {
    let status = match view.error {
        None => StatusCode::OK,
        Some(LoginError::WrongCredentials) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(LoginError::TooManyAttempts { .. }) => StatusCode::TOO_MANY_REQUESTS,
        Some(LoginError::Busy) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let page = LoginPage {
        action: &format!("/login?return_to={destination}"),
        another: None,
        interaction: id,
        csrf: &cookies::form_token(secret),
        client: None,
        username: view.username,
        remember: view.remember,
        reason: LoginReason::SignIn,
        error: view.error,
        forgot: web.ports.can_mail().then_some(reset::FORGOT),
        register: register::is_offered(web).then_some(register::REGISTER),
        nonce: answer::nonce(&web.ports),
    };
    respond::html(status, &page)
}

/// POST: name and password. The request was counted already.
pub(super) async fn post(web: &Web, session: &Session, parts: &Parts, body: &Bytes) -> Response {
    let trace = context::trace(parts);
    let query = context::query(&parts.uri);
    let (params, id, secret) = match checked_form(web, parts, body) {
        Ok(form) => form,
        Err(cause) => return respond::error(cause, trace),
    };
    let current = match session::current(&web.ports, session).await {
        Ok(current) => current.map(|(login, _)| login),
        Err(failure) => return answer::failure_page(&failure, trace),
    };
    let device = web.cookies.device(&parts.headers);
    let name = params.get("username").unwrap_or_default();
    let remember = params.get("remember").is_some();
    let attempt = if params.is_faulty("password") {
        Err(LogInError::TooLong)
    } else {
        let command = LogIn {
            name,
            password: params.get("password").unwrap_or_default(),
            current: current.as_ref(),
            device: device.as_ref(),
            client: None,
        };
        log_in(&web.ports, command, &context::origin(parts)).await
    };
    let login = match attempt {
        Ok(login) => login,
        Err(error) => {
            let (error, wait) = match error {
                LogInError::Rejected | LogInError::TooLong => (LoginError::WrongCredentials, None),
                LogInError::Throttled { wait } => {
                    let minutes = wait.as_secs().div_ceil(60);
                    (
                        LoginError::TooManyAttempts { minutes },
                        Some(wait.as_secs()),
                    )
                }
                LogInError::Failure(Failure::Unavailable(..)) => {
                    (LoginError::Busy, Some(login::RETRY_BUSY))
                }
                LogInError::Failure(failure) => return answer::failure_page(&failure, trace),
            };
            let view = View {
                username: name,
                remember,
                error: Some(error),
            };
            let secret = secret.unwrap_or_default();
            let mut response = show(web, (&id, &secret), destination(&query), view);
            if let Some(wait) = wait {
                let wait = HeaderValue::from(wait);
                response.headers_mut().insert(header::RETRY_AFTER, wait);
            }
            return response;
        }
    };
    let duration = if remember {
        SessionDuration::Remembered
    } else {
        SessionDuration::Browser
    };
    let entered = login::enter(web, session, parts, (&login, current.as_ref(), duration)).await;
    if let Err(failure) = entered {
        return answer::failure_page(&failure, trace);
    }
    let mut response = answer::see_other(destination(&query));
    if let Some(removal) = web.cookies.remove_interaction(&id) {
        response.headers_mut().append(header::SET_COOKIE, removal);
    }
    login::remember_device(web, &mut response, device, &login.user);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c153_the_way_back_leads_to_our_own_account_pages_only() {
        let to = |text: &str| {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("return_to", text)
                .finish();
            destination(&Params::parse(query.as_bytes())).to_owned()
        };
        for foreign in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/account//evil.example",
            "/accounts",
            "/account/..//evil.example",
            "/account?x=//e",
            "/account\r\nx: y",
            "/account/%2f%2fevil.example",
            "javascript:alert(1)",
            "/oauth2/logout",
        ] {
            assert_eq!(to(foreign), "/account", "{foreign}");
        }
        assert_eq!(to("/account/data"), "/account/data");
    }
}
