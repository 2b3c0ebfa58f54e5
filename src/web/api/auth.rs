//! The JSON login of first-party applications: `/api/auth/{login,refresh,logout,me}`.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::{
    bearer_token, counted, finish, json, ok,
    problem::{Kind, Problem},
};
use crate::{
    application::{
        Failure,
        commands::{
            exchange_token::first_party_login::{
                Entered, FirstPartyLogin, log_in_first_party, refresh_first_party,
            },
            log_in::LogInError,
            log_out_first_party::{log_out, log_out_refresh},
        },
        limits::Endpoint,
        queries::me::me,
    },
    domain::{
        scope::Scope,
        time::Timestamp,
        user::{Email, User},
    },
    protocol::{
        client_auth::Credentials, known_device::Device, params::Params, token::TokenResponse,
    },
    web::{Web, context},
};

/// Bytes of a body at most; every member has a bound of its own below it.
const MAX_BODY: usize = 16 * 1024;

/// What `/api/auth/login` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginRequest {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    username: String,
    password: SecretString,
    scope: Option<Scope>,
    #[serde(default)]
    resource: Vec<String>,
    device: Option<String>,
}

/// What `/api/auth/refresh` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshRequest {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    refresh_token: SecretString,
    scope: Option<Scope>,
    #[serde(default)]
    resource: Vec<String>,
}

impl RefreshRequest {
    /// The same as the token endpoint would have it (RFC 6749 §6).
    fn params(&self) -> Params {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", self.refresh_token.expose_secret());
        if let Some(scope) = &self.scope {
            form.append_pair("scope", &scope.to_string());
        }
        for resource in &self.resource {
            form.append_pair("resource", resource);
        }
        Params::parse(form.finish().as_bytes())
    }
}

/// What `/api/auth/logout` takes where there is no access token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogoutRequest {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    refresh_token: SecretString,
}

/// Tokens, and when the access token expires.
#[derive(Serialize)]
struct Tokens {
    #[serde(flatten)]
    tokens: TokenResponse,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct LoginAnswer<'a> {
    #[serde(flatten)]
    tokens: Tokens,
    device: String,
    user: Person<'a>,
}

/// A user as first-party applications see them. What is not known is null.
#[derive(Serialize)]
struct Person<'a> {
    id: &'a str,
    username: &'a str,
    email: Option<&'a str>,
    email_verified: bool,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    full_name: Option<String>,
    roles: &'a BTreeSet<String>,
}

impl<'a> Person<'a> {
    fn new(user: &'a User, roles: &'a BTreeSet<String>) -> Self {
        Self {
            id: user.id.as_str(),
            username: user.username.as_str(),
            email: user.email.as_ref().map(Email::as_str),
            email_verified: user.email_verified,
            first_name: user.profile.first_name.as_deref(),
            last_name: user.profile.last_name.as_deref(),
            full_name: user.full_name(),
            roles,
        }
    }
}

/// POST: name and password become tokens.
pub(super) async fn login(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = enter(&web, &parts, &body);
    counted(&web, &parts, Endpoint::Login, work).await
}

async fn enter(web: &Web, parts: &Parts, body: &Bytes) -> Result<Response, Problem> {
    let request: LoginRequest = json::read(&parts.headers, body, MAX_BODY)?;
    let secret = request.client_secret.as_ref();
    let credentials = credentials(parts, request.client_id.as_deref(), secret)?;
    let device = request.device.as_deref().and_then(Device::parse);
    let script = context::single(&parts.headers, &header::ORIGIN)
        .ok()
        .flatten()
        .map(|origin| std::str::from_utf8(origin).unwrap_or_default());
    let command = FirstPartyLogin {
        credentials: &credentials,
        name: &request.username,
        password: request.password.expose_secret(),
        scope: request.scope.as_ref(),
        resources: &request.resource,
        device: device.as_ref(),
        script,
        agent: context::agent(&parts.headers),
    };
    let entered = log_in_first_party(&web.ports, command, &context::origin(parts))
        .await
        .map_err(refusal)?;
    let Entered {
        tokens,
        user,
        roles,
        device,
    } = entered;
    Ok(ok(&LoginAnswer {
        tokens: timed(web, tokens),
        device: device.encode(),
        user: Person::new(&user, &roles),
    }))
}

fn refusal(error: LogInError) -> Problem {
    match error {
        LogInError::Rejected => Problem::new(Kind::WrongCredentials),
        LogInError::TooLong => Problem::new(Kind::InvalidMember)
            .detail("the password is too long")
            .at("/password"),
        LogInError::Throttled { wait } => {
            Problem::new(Kind::TooManyRequests).retry_after(wait.as_secs())
        }
        LogInError::Failure(failure) => failure.into(),
    }
}

/// POST: a refresh token becomes its successor.
pub(super) async fn refresh(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = renew(&web, &parts, &body);
    counted(&web, &parts, Endpoint::Token, work).await
}

async fn renew(web: &Web, parts: &Parts, body: &Bytes) -> Result<Response, Problem> {
    let request: RefreshRequest = json::read(&parts.headers, body, MAX_BODY)?;
    let secret = request.client_secret.as_ref();
    let credentials = credentials(parts, request.client_id.as_deref(), secret)?;
    let params = request.params();
    let origin = context::origin(parts);
    let tokens = refresh_first_party(&web.ports, &credentials, &params, &origin).await?;
    Ok(ok(&timed(web, tokens)))
}

/// POST: the session ends, by its access token or by its refresh token.
pub(super) async fn logout(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let work = leave(&web, &parts, &body);
    counted(&web, &parts, Endpoint::Revocation, work).await
}

async fn leave(web: &Web, parts: &Parts, body: &Bytes) -> Result<Response, Problem> {
    let origin = context::origin(parts);
    if body.is_empty() {
        log_out(&web.ports, bearer_token(parts)?, &origin).await?;
    } else {
        let request: LogoutRequest = json::read(&parts.headers, body, MAX_BODY)?;
        let secret = request.client_secret.as_ref();
        let credentials = credentials(parts, request.client_id.as_deref(), secret)?;
        let token = request.refresh_token.expose_secret();
        log_out_refresh(&web.ports, &credentials, token, &origin).await?;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// GET: who the user of the access token is.
pub(super) async fn who(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    finish(&parts, person(&web, &parts).await)
}

async fn person(web: &Web, parts: &Parts) -> Result<Response, Problem> {
    let me = me(&web.ports, bearer_token(parts)?).await?;
    Ok(ok(&Person::new(&me.user, &me.roles)))
}

fn timed(web: &Web, tokens: TokenResponse) -> Tokens {
    let lifetime = std::time::Duration::from_secs(tokens.expires_in);
    Tokens {
        expires_at: web.ports.clock.now().plus(lifetime),
        tokens,
    }
}

/// Who the application is: by HTTP Basic, or by members of the body, never by both (RFC 6749 §2.3).
fn credentials(
    parts: &Parts,
    id: Option<&str>,
    secret: Option<&SecretString>,
) -> Result<Credentials, Problem> {
    let header = context::single(&parts.headers, &header::AUTHORIZATION).map_err(|_| {
        Problem::new(Kind::InvalidRequest).detail("more than one Authorization header")
    })?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    if let Some(id) = id {
        form.append_pair("client_id", id);
    }
    if let Some(secret) = secret {
        form.append_pair("client_secret", secret.expose_secret());
    }
    let params = Params::parse(form.finish().as_bytes());
    if let Some(fault) = params.fault() {
        return Err(Failure::Refused(fault.into()).into());
    }
    let credentials = Credentials::parse(header, &params);
    credentials
        .map(|it| it.over(context::certificate(parts)))
        .map_err(|error| Problem::of(&error))
}
