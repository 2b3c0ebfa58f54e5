//! "Create an account": a mail that proves the address, then name and password. Not there at all where the
//! operator has not switched it on.

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
    reset::{check, form, login_page, presented, still_waiting, unfit_text, waiting, way_on},
    reset_views::{AskPage, DonePage, Key, RegisterPage},
};
use crate::{
    application::{
        Failure,
        commands::register_self::{
            AskForAccount, RegisterError, RegisterSelf, ask_for_account, register_self,
        },
        explanation,
        one_time::{self, Proof},
    },
    domain::{one_time::Purpose, user::Email},
    protocol::params::Params,
    web::{Web, answer, context, errands::Busy, respond},
};

/// Where somebody asks for an account.
pub const REGISTER: &str = "/register";
/// Where the mail's link leads.
pub const FINISH: &str = "/register/finish";

/// Whether people may make accounts: the operator allows it, and addresses can be proved.
pub(super) fn is_offered(web: &Web) -> bool {
    web.ports.settings.registration.is_on() && web.ports.can_mail()
}

/// GET: who wants an account?
pub async fn ask(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    if !is_offered(&web) {
        return respond::error(ErrorCause::NotFound, context::trace(&parts));
    }
    let query = context::query(&parts.uri);
    let back = login_page(&query);
    respond::html(StatusCode::OK, &ask_page(&query, back.as_deref(), None))
}

fn ask_page<'a>(params: &'a Params, back: Option<&'a str>, error: Option<&'a str>) -> AskPage<'a> {
    AskPage {
        heading: "Create an account",
        lead: "First we send you a mail, so that nobody else can use your address.",
        label: "Email address",
        name: params.get("name").unwrap_or_default(),
        action: REGISTER,
        way: waiting(params),
        back,
        error,
    }
}

/// POST: a mail to the address, whoever has it.
pub async fn send(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let params = match form(&web, &parts, &body).await {
        Ok(params) => params,
        Err(response) => return response,
    };
    if !is_offered(&web) {
        return respond::error(ErrorCause::NotFound, context::trace(&parts));
    }
    let back = login_page(&params);
    let refuse = |error| {
        let page = ask_page(&params, back.as_deref(), Some(error));
        respond::html(StatusCode::UNPROCESSABLE_ENTITY, &page)
    };
    let Ok(email) = Email::parse(params.get("name").unwrap_or_default()) else {
        return refuse("This is not an email address. Please check it.");
    };
    if !web.ports.settings.registration.admits(&email) {
        return refuse(
            "Accounts are only made for addresses of certain domains here. Ask the operator of this server.",
        );
    }
    let id = web.ports.identifier();
    let command = AskForAccount {
        id: id.clone(),
        email,
        way_on: way_on(&web, &parts, &params),
    };
    let node = web.clone();
    let errand = web.errands.run(async move {
        if let Err(failure) = ask_for_account(&node.ports, command).await {
            explanation::of(None, &failure);
        }
    });
    if let Err(Busy) = errand {
        let failure = Failure::Unavailable("the queue of errands", None);
        return answer::failure_page(&failure, context::trace(&parts));
    }
    show(
        &web,
        StatusCode::OK,
        Key::Link(&id),
        (&Params::parse(b""), None),
    )
}

fn show(
    web: &Web,
    status: StatusCode,
    key: Key<'_>,
    (params, error): (&Params, Option<String>),
) -> Response {
    let page = RegisterPage {
        key,
        username: params.get("username").unwrap_or_default(),
        full_name: params.get("full_name").unwrap_or_default(),
        error,
        nonce: answer::nonce(&web.ports),
    };
    respond::html(status, &page)
}

/// GET: the mail's link. It is looked at and not used up.
pub async fn get(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let query = context::query(&parts.uri);
    let token = query.get("token").unwrap_or_default();
    match one_time::find(&web.ports, &[Purpose::Registration], Proof::Token(token)).await {
        Ok(Some(_)) => show(
            &web,
            StatusCode::OK,
            Key::Token(token),
            (&Params::parse(b""), None),
        ),
        Ok(None) => worthless(),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

/// POST: name and password.
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let params = match form(&web, &parts, &body).await {
        Ok(params) => params,
        Err(response) => return response,
    };
    let text = |name: &str| params.get(name).unwrap_or_default();
    let (key, proof) = presented(&params);
    let refuse = |error| {
        show(
            &web,
            StatusCode::UNPROCESSABLE_ENTITY,
            key,
            (&params, Some(error)),
        )
    };
    if let Err(error) = check(&params, text("password"), text("again")) {
        return refuse(error);
    }
    let command = RegisterSelf {
        proof,
        username: text("username"),
        full_name: text("full_name"),
        password: text("password"),
    };
    match register_self(&web.ports, command, &context::origin(&parts)).await {
        Ok(link) => done(&web, &parts, link.way_on.as_deref()),
        Err(RegisterError::Username(problem)) => refuse(format!("This is no username: {problem}.")),
        Err(RegisterError::Taken) => {
            refuse("Somebody has this username. Please choose another one.".to_owned())
        }
        Err(RegisterError::Unfit(unfit)) => refuse(unfit_text(unfit)),
        Err(RegisterError::Worthless) => match key {
            Key::Token(_) => worthless(),
            Key::Link(_) => refuse(
                "This code is not right, or not any more. After five tries, ask for another mail."
                    .to_owned(),
            ),
        },
        Err(RegisterError::Failure(failure)) => {
            answer::failure_page(&failure, context::trace(&parts))
        }
    }
}

fn worthless() -> Response {
    let page = DonePage {
        id: "worthless",
        heading: "This link does not work any more",
        paragraphs: &["A link works once, for an hour. Ask for another one."],
        next: REGISTER,
        label: "Send me another mail",
    };
    respond::html(StatusCode::GONE, &page)
}

fn done(web: &Web, parts: &Parts, way_on: Option<&str>) -> Response {
    let way_on = still_waiting(web, parts, way_on);
    let page = DonePage {
        id: "registered",
        heading: "Your account is made",
        paragraphs: &["Your email address is confirmed. Sign in with it, or with your username."],
        next: way_on.unwrap_or(ACCOUNT),
        label: if way_on.is_some() {
            "Sign in and continue"
        } else {
            "Sign in"
        },
    };
    respond::html(StatusCode::OK, &page)
}
