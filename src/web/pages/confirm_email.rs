//! Proving a new address: the mail's link leads to a button, or its code is typed. No login is needed:
//! people read mail on another device.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    account::ACCOUNT,
    account_views::ConfirmEmailPage,
    reset::{form, presented},
    reset_views::{DonePage, Key},
};
use crate::{
    application::{
        Failure,
        commands::change_email::{ConfirmError, ask_for_new_email, confirm_new_email},
        explanation,
        one_time::{self, Proof},
    },
    domain::{
        one_time::Purpose,
        user::{Email, User},
    },
    web::{Web, answer, context, errands::Busy, respond},
};

/// Where the button posts to.
pub const CONFIRM: &str = "/account/email/confirm";

/// Sends the mail, after the answer: who asks learns nothing of other people's addresses.
pub(super) fn begin(web: &Arc<Web>, parts: &Parts, (user, email): (User, Email)) -> Response {
    let id = web.ports.identifier();
    let (node, name) = (web.clone(), id.clone());
    let errand = web.errands.run(async move {
        if let Err(failure) = ask_for_new_email(&node.ports, &name, (&user, &email)).await {
            explanation::of(None, &failure);
        }
    });
    if let Err(Busy) = errand {
        let failure = Failure::Unavailable("the queue of errands", None);
        return answer::failure_page(&failure, context::trace(parts));
    }
    show(StatusCode::OK, Key::Link(&id), None)
}

/// GET: the mail's link. It is looked at and not used up.
pub async fn get(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let query = context::query(&parts.uri);
    let Some(token) = query.get("token") else {
        return answer::see_other(ACCOUNT);
    };
    match one_time::find(&web.ports, &[Purpose::NewEmail], Proof::Token(token)).await {
        Ok(Some(_)) => show(StatusCode::OK, Key::Token(token), None),
        Ok(None) => worthless(),
        Err(failure) => answer::failure_page(&failure, context::trace(&parts)),
    }
}

/// POST: the button.
pub async fn post(State(web): State<Arc<Web>>, parts: Parts, body: Bytes) -> Response {
    let params = match form(&web, &parts, &body).await {
        Ok(params) => params,
        Err(response) => return response,
    };
    let (key, proof) = presented(&params);
    match confirm_new_email(&web.ports, proof, &context::origin(&parts)).await {
        Ok(()) => done(),
        Err(ConfirmError::Worthless) => match key {
            Key::Token(_) => worthless(),
            Key::Link(_) => show(
                StatusCode::UNPROCESSABLE_ENTITY,
                key,
                Some(
                    "This code is not right, or not any more. After five tries, ask for another mail.",
                ),
            ),
        },
        Err(ConfirmError::Failure(failure)) => {
            answer::failure_page(&failure, context::trace(&parts))
        }
    }
}

fn show(status: StatusCode, key: Key<'_>, error: Option<&'static str>) -> Response {
    respond::html(status, &ConfirmEmailPage { key, error })
}

fn worthless() -> Response {
    let page = DonePage {
        id: "worthless",
        heading: "This link does not work any more",
        paragraphs: &[
            "A link works once, for an hour, and only until the password is changed. Ask for another one in your account.",
        ],
        next: ACCOUNT,
        label: "To your account",
    };
    respond::html(StatusCode::GONE, &page)
}

fn done() -> Response {
    let page = DonePage {
        id: "email-changed",
        heading: "Your new address is confirmed",
        paragraphs: &[
            "From now on you sign in with it, and mails go to it. Applications see it the next time they ask.",
            "The old address got a mail that says so.",
        ],
        next: ACCOUNT,
        label: "To your account",
    };
    respond::html(StatusCode::OK, &page)
}
