//! The account pages: what a user sees and changes of the own account.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use tower_sessions::Session;

use super::{
    ErrorCause, ScopeText, account_sessions,
    account_views::{AccountPage, ApplicationView, Done},
    claim_words, confirm_email,
    login::display_name,
    own_login::TO_ACCOUNT,
    reset::unfit_text,
};
use crate::{
    application::{
        Failure,
        commands::{
            change_password::{ChangePasswordError, Proven, change_password, prove},
            withdraw_consent::withdraw_consent,
        },
        limits::Endpoint,
        queries::account,
    },
    domain::{
        id::ClientId,
        password::{self, Unfit},
        time::Timestamp,
        user::{Email, User},
    },
    protocol::{authentication::Login, known_device::Device, params::Params},
    web::{Web, answer, context, cookies, limits, respond, session},
};

/// The account page.
pub const ACCOUNT: &str = "/account";

/// GET: the page.
pub async fn get(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    let query = context::query(&parts.uri);
    let done = query.get("done").and_then(Done::of);
    match session::current(&web.ports, &session).await {
        Ok(Some((login, user))) => {
            let told = Told { done, error: None };
            show(
                &web,
                (&session, &login, &user),
                (StatusCode::OK, told),
                &parts,
            )
            .await
        }
        Ok(None) => answer::see_other(TO_ACCOUNT),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

/// What the page says on top.
struct Told {
    done: Option<Done>,
    error: Option<String>,
}

async fn show(
    web: &Web,
    (session, login, user): (&Session, &Login, &User),
    (status, told): (StatusCode, Told),
    parts: &Parts,
) -> Response {
    let read = async {
        let applications = account::applications(&web.ports, user).await?;
        Ok((
            applications,
            account_sessions::views(web, user, login).await?,
        ))
    };
    let (applications, sessions) = match read.await {
        Ok(read) => read,
        Err(failure) => return answer::failure_page(&failure, context::trace(parts)),
    };
    let applications = applications.iter().map(|connected| ApplicationView {
        id: connected.consent.client.as_str(),
        name: &connected.name,
        since: day(connected.consent.granted_at),
        scopes: ScopeText::by_meaning(connected.consent.scope.iter()),
        claims: claim_words(
            connected.consent.claims.iter().map(String::as_str),
            &connected.consent.scope,
        ),
    });
    let page = AccountPage {
        csrf: &form_token(session),
        user: &display_name(user),
        facts: facts(user),
        applications: applications.collect(),
        sessions,
        done: told.done,
        error: told.error,
        can_mail: web.ports.can_mail(),
        nonce: answer::nonce(&web.ports),
    };
    respond::html(status, &page)
}

fn facts(user: &User) -> Vec<(&'static str, String)> {
    let email = user.email.as_ref().map(|email| {
        let proof = if user.email_verified {
            ""
        } else {
            " (not confirmed)"
        };
        format!("{email}{proof}")
    });
    let profile = &user.profile;
    let facts = [
        ("Username", Some(user.username.to_string())),
        ("Email", email),
        ("Name", user.full_name()),
        ("Phone", profile.phone_number.clone()),
        ("Birthdate", profile.birthdate.clone()),
        ("Language", profile.locale.clone()),
        ("Time zone", profile.zoneinfo.clone()),
        ("Account made", Some(day(user.created_at))),
    ];
    let known = facts.into_iter();
    known
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// A day as people write it, in UTC.
fn day(at: Timestamp) -> String {
    time::OffsetDateTime::from_unix_timestamp(at.0).map_or_else(
        |_| "an unknown day".to_owned(),
        |at| format!("{} {} {}", at.day(), at.month(), at.year()),
    )
}

/// A moment as people write it, in UTC.
pub(super) fn moment(at: Timestamp) -> String {
    time::OffsetDateTime::from_unix_timestamp(at.0).map_or_else(
        |_| "an unknown time".to_owned(),
        |time| {
            let (hour, minute) = (time.hour(), time.minute());
            format!("{}, {hour:02}:{minute:02} UTC", day(at))
        },
    )
}

/// The token of the forms: of no use without the session's cookie.
pub(super) fn form_token(session: &Session) -> String {
    cookies::form_token(&session_secret(session).unwrap_or_default())
}

fn session_secret(session: &Session) -> Option<String> {
    session.id().map(|id| id.to_string())
}

/// Who sent a form of the account page, and what it says.
pub(super) struct Visit {
    pub(super) login: Login,
    pub(super) user: Arc<User>,
    pub(super) params: Params,
}

impl Visit {
    /// Who they are, proved anew by the field of the current password.
    pub(super) fn proven<'a>(&'a self, device: Option<&'a Device>) -> Proven<'a> {
        Proven {
            login: &self.login,
            device,
            current: self.params.get("current").unwrap_or_default(),
        }
    }
}

/// Lets in whom the page was made for.
pub(super) async fn visit(
    web: &Web,
    session: &Session,
    parts: &Parts,
    body: &Bytes,
) -> Result<Visit, Response> {
    let trace = context::trace(parts);
    if let Err(limited) = limits::enter(web, parts, Endpoint::Login).await {
        return Err(limits::refuse_page(limited, parts));
    }
    if !context::is_same_origin(&parts.headers, &web.ports.settings.issuer.origin()) {
        return Err(respond::error(ErrorCause::CrossSitePost, trace));
    }
    if !context::is_form(&parts.headers) {
        return Err(respond::error(ErrorCause::MalformedRequest, trace));
    }
    let current = session::current(&web.ports, session).await;
    let current = current.map_err(|failure| answer::failure_page(&failure, trace))?;
    let Some((login, user)) = current else {
        return Err(answer::see_other(TO_ACCOUNT));
    };
    let params = Params::parse(body);
    if !cookies::is_form_token(session_secret(session).as_deref(), params.get("csrf")) {
        return Err(respond::error(ErrorCause::CrossSitePost, trace));
    }
    Ok(Visit {
        login,
        user,
        params,
    })
}

pub(super) fn on(done: Done) -> Response {
    answer::see_other(&format!("{ACCOUNT}?done={}", done.as_str()))
}

/// POST: another password.
pub async fn password(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let visit = match visit(&web, &session, &parts, &body).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let refused = |status, error: String| {
        let told = Told {
            done: None,
            error: Some(error),
        };
        show(
            &web,
            (&session, &visit.login, &visit.user),
            (status, told),
            &parts,
        )
    };
    let text = |name: &str| visit.params.get(name).unwrap_or_default();
    if let Err(error) = check(&visit.params) {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, error).await;
    }
    let device = web.cookies.device(&parts.headers);
    let proven = visit.proven(device.as_ref());
    let origin = context::origin(&parts);
    match change_password(&web.ports, proven, text("password"), &origin).await {
        Ok(login) => match session::renew(&web.ports, &session, login).await {
            Ok(()) => on(Done::Password),
            Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
        },
        Err(error) => match explain(error) {
            Ok((status, text)) => refused(status, text).await,
            Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
        },
    }
}

/// What the page says of a refusal.
pub(super) fn explain(error: ChangePasswordError) -> Result<(StatusCode, String), Failure> {
    match error {
        ChangePasswordError::Wrong => Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            "The current password is not right. Nothing was changed.".to_owned(),
        )),
        ChangePasswordError::Throttled { wait } => Ok((
            StatusCode::TOO_MANY_REQUESTS,
            format!(
                "There were too many attempts. Please try again in {} minutes.",
                wait.as_secs().div_ceil(60)
            ),
        )),
        ChangePasswordError::Unfit(unfit) => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, unfit_text(unfit)))
        }
        ChangePasswordError::Failure(failure) => Err(failure),
    }
}

/// POST: another address is to take the place of the account's. It has to be proved first.
pub async fn email(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let visit = match visit(&web, &session, &parts, &body).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let text = |name: &str| visit.params.get(name).unwrap_or_default();
    let device = web.cookies.device(&parts.headers);
    let proven = visit.proven(device.as_ref());
    let refusal = match Email::parse(text("email")) {
        Err(problem) => Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("This is not an email address: {problem}."),
        )),
        Ok(_) if !web.ports.can_mail() => Ok((
            StatusCode::NOT_FOUND,
            "This server sends no mail. Ask its operator to change the address.".to_owned(),
        )),
        Ok(email) => match prove(&web.ports, proven, &context::origin(&parts)).await {
            Ok(user) => return confirm_email::begin(&web, &parts, (user, email)),
            Err(error) => explain(error),
        },
    };
    match refusal {
        Ok((status, text)) => {
            let told = Told {
                done: None,
                error: Some(text),
            };
            show(
                &web,
                (&session, &visit.login, &visit.user),
                (status, told),
                &parts,
            )
            .await
        }
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

/// What is wrong with the new password whatever the current one is.
fn check(params: &Params) -> Result<(), String> {
    let text = |name: &str| params.get(name).unwrap_or_default();
    if params.is_faulty("password") || params.is_faulty("current") {
        return Err(unfit_text(Unfit::TooLong));
    }
    if text("password") != text("again") {
        return Err("The two new passwords differ. Please type the same one twice.".to_owned());
    }
    password::check(text("password"), &[]).map_err(unfit_text)
}

/// POST: an application's access ends.
pub async fn withdraw(
    State(web): State<Arc<Web>>,
    session: Session,
    parts: Parts,
    body: Bytes,
) -> Response {
    let visit = match visit(&web, &session, &parts, &body).await {
        Ok(visit) => visit,
        Err(response) => return response,
    };
    let client = ClientId::new(visit.params.get("client_id").unwrap_or_default());
    let origin = context::origin(&parts);
    match withdraw_consent(&web.ports, &visit.login.user, &client, &origin).await {
        Ok(true) => on(Done::Withdrawn),
        Ok(false) => answer::see_other(ACCOUNT),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

/// GET: everything about the user, to keep.
pub async fn data(State(web): State<Arc<Web>>, session: Session, parts: Parts) -> Response {
    let exported = async {
        match session::current(&web.ports, &session).await? {
            Some((_, user)) => account::export(&web.ports, &user).await.map(Some),
            None => Ok::<_, Failure>(None),
        }
    };
    let document = match exported.await {
        Ok(Some(document)) => document,
        Ok(None) => return answer::see_other(TO_ACCOUNT),
        Err(failure) => return answer::failure_page(&failure, context::trace(&parts)),
    };
    let mut response = Response::new(Body::from(format!("{document:#}\n")));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"account.json\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
