//! "Forgot your password?": a mail with a link and a code, and the page where a new one is chosen.
//!
//! What is answered to a name, and how long that takes, is the same whoever has it: the work is done
//! afterwards. A GET changes nothing, because mail scanners follow links (security.md 159).

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    ErrorCause,
    account::ACCOUNT,
    reset_views::{AskPage, DonePage, Key, NewPasswordPage, Waiting},
    way,
};
use crate::{
    application::{
        Failure,
        commands::reset_password::{
            AskForReset, PURPOSES, ResetError, ask_for_reset, reset_password,
        },
        explanation,
        limits::Endpoint,
        one_time::{self, Proof},
    },
    domain::{
        id::ClientId,
        password::{self, Unfit},
    },
    protocol::{authentication::Question, params::Params},
    web::{Web, answer, context, errands::Busy, limits, respond},
};

/// Where somebody asks for a mail.
pub const FORGOT: &str = "/forgot";
/// Where the mail's link leads.
pub const RESET: &str = "/reset";

/// GET: who forgot their password?
pub async fn ask(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    if !web.ports.can_mail() {
        return respond::error(ErrorCause::NotFound, context::trace(&parts));
    }
    let query = context::query(&parts.uri);
    respond::html(
        StatusCode::OK,
        &ask_page(&query, login_page(&query).as_deref(), None),
    )
}

fn ask_page<'a>(params: &'a Params, back: Option<&'a str>, error: Option<&'a str>) -> AskPage<'a> {
    AskPage {
        heading: "Forgot your password?",
        lead: "Tell us who you are, and you get a mail with a link to choose a new one.",
        label: "Username or email",
        name: "",
        action: FORGOT,
        way: waiting(params),
        back,
        error,
    }
}

pub(super) fn waiting(params: &Params) -> Option<Waiting<'_>> {
    Some(Waiting {
        interaction: params.get("interaction")?,
        client: params.get("client_id")?,
    })
}

/// The login page of the sign-in that waits.
pub(super) fn login_page(params: &Params) -> Option<String> {
    let waiting = waiting(params)?;
    let client = ClientId::new(waiting.client);
    Some(way::to(Question::LogIn, waiting.interaction, &client))
}

/// POST: a mail, if there is somebody to send it to.
pub async fn send(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let params = match form(&web, &parts, &body).await {
        Ok(params) => params,
        Err(response) => return response,
    };
    let Some(name) = params.get("name").filter(|name| !name.trim().is_empty()) else {
        let back = login_page(&params);
        let page = ask_page(
            &params,
            back.as_deref(),
            Some("Please type your username or email address."),
        );
        return respond::html(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    if !web.ports.can_mail() {
        return respond::error(ErrorCause::NotFound, context::trace(&parts));
    }
    let id = web.ports.identifier();
    let command = AskForReset {
        id: id.clone(),
        name: name.to_owned(),
        way_on: way_on(&web, &parts, &params),
    };
    let (origin, node) = (context::origin(&parts), web.clone());
    let errand = web.errands.run(async move {
        if let Err(failure) = ask_for_reset(&node.ports, command, &origin).await {
            explanation::of(None, &failure);
        }
    });
    if let Err(Busy) = errand {
        return answer::failure_page(
            &Failure::Unavailable("the queue of errands", None),
            context::trace(&parts),
        );
    }
    show(&web, StatusCode::OK, Key::Link(&id), None)
}

/// The junction of the sign-in that waits, if it waits in this browser.
pub(super) fn way_on(web: &Web, parts: &Parts, params: &Params) -> Option<String> {
    let waiting = waiting(params)?;
    web.cookies
        .interaction(&parts.headers, waiting.interaction)?;
    Some(way::resume(
        waiting.interaction,
        &ClientId::new(waiting.client),
    ))
}

/// GET: the mail's link. It is looked at and not used up.
pub async fn get(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let query = context::query(&parts.uri);
    let token = query.get("token").unwrap_or_default();
    match one_time::find(&web.ports, &PURPOSES, Proof::Token(token)).await {
        Ok(Some(_)) => show(&web, StatusCode::OK, Key::Token(token), None),
        Ok(None) => worthless(),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

fn show(web: &Web, status: StatusCode, key: Key<'_>, error: Option<String>) -> Response {
    let nonce = answer::nonce(&web.ports);
    respond::html(status, &NewPasswordPage { key, error, nonce })
}

fn worthless() -> Response {
    let page = DonePage {
        id: "worthless",
        heading: "This link does not work any more",
        paragraphs: &[
            "A link works once, for an hour, and only until the password is changed. Ask for another one.",
        ],
        next: FORGOT,
        label: "Send me another mail",
    };
    respond::html(StatusCode::GONE, &page)
}

/// POST: the new password.
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let params = match form(&web, &parts, &body).await {
        Ok(params) => params,
        Err(response) => return response,
    };
    let text = |name: &str| params.get(name).unwrap_or_default();
    let (key, proof) = presented(&params);
    // What is wrong whoever it is costs no try of the code.
    if let Err(error) = check(&params, text("password"), text("again")) {
        return show(&web, StatusCode::UNPROCESSABLE_ENTITY, key, Some(error));
    }
    match reset_password(
        &web.ports,
        proof,
        text("password"),
        &context::origin(&parts),
    )
    .await
    {
        Ok(link) => done(&web, &parts, link.way_on.as_deref()),
        Err(ResetError::Unfit(unfit)) => show(
            &web,
            StatusCode::UNPROCESSABLE_ENTITY,
            key,
            Some(unfit_text(unfit)),
        ),
        Err(ResetError::Worthless) => match key {
            Key::Token(_) => worthless(),
            Key::Link(_) => {
                let error = "This code is not right, or not any more. After five tries, ask for another mail.";
                show(
                    &web,
                    StatusCode::UNPROCESSABLE_ENTITY,
                    key,
                    Some(error.to_owned()),
                )
            }
        },
        Err(ResetError::Failure(failure)) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

pub(super) fn check(params: &Params, password: &str, again: &str) -> Result<(), String> {
    if params.is_faulty("password") {
        return Err(unfit_text(Unfit::TooLong));
    }
    if password != again {
        return Err("The two passwords differ. Please type the same one twice.".to_owned());
    }
    password::check(password, &[]).map_err(unfit_text)
}

/// What a page says of a password that is not taken.
pub(super) fn unfit_text(unfit: Unfit) -> String {
    format!("The password {unfit}.")
}

/// The junction, if its sign-in waits here: it is of use only in the browser that holds its cookie.
pub(super) fn still_waiting<'a>(
    web: &Web,
    parts: &Parts,
    way_on: Option<&'a str>,
) -> Option<&'a str> {
    way_on.filter(|way| {
        let query = way.split_once('?').map_or("", |(_, query)| query);
        let params = Params::parse(query.as_bytes());
        let id = params.get("interaction").unwrap_or_default();
        web.cookies.interaction(&parts.headers, id).is_some()
    })
}

fn done(web: &Web, parts: &Parts, way_on: Option<&str>) -> Response {
    let way_on = still_waiting(web, parts, way_on);
    let page = DonePage {
        id: "password-set",
        heading: "Your new password is set",
        paragraphs: &[
            "Wherever your account was signed in, it is signed out, and applications have lost their access until you sign in there again.",
            "A mail tells you of this change too. If it was not you, ask the operator of this server for help at once.",
        ],
        next: way_on.unwrap_or(ACCOUNT),
        label: if way_on.is_some() {
            "Sign in and continue"
        } else {
            "To your account"
        },
    };
    respond::html(StatusCode::OK, &page)
}

/// What a form shows to be let in: the token of the link that was followed, or a code that was typed.
pub(super) fn presented(params: &Params) -> (Key<'_>, Proof<'_>) {
    let text = |name: &str| params.get(name).unwrap_or_default();
    match params.get("token") {
        Some(token) => (Key::Token(token), Proof::Token(token)),
        None => (
            Key::Link(text("link")),
            Proof::Code {
                id: text("link"),
                code: text("code"),
            },
        ),
    }
}

/// The fields of a form of ours, if this may be asked.
pub(super) async fn form(web: &Web, parts: &Parts, body: &Bytes) -> Result<Params, Response> {
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
    Ok(Params::parse(body))
}
