//! `/dev/mail`: the mail that was sent, where it stays on a developer's machine.

use std::sync::Arc;

use askama::Template;
use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};

use super::Page;
use crate::{
    application::ports::{Letter, Mailbox},
    protocol::issuer::Issuer,
    web::{Web, csp::PagePolicy, respond},
};

/// Where the page is.
pub const PATH: &str = "/dev/mail";

/// The page over `mailbox`. Mounted in development mode only.
pub fn router(mailbox: Arc<dyn Mailbox>) -> Router<Arc<Web>> {
    let page = async move |State(web): State<Arc<Web>>| show(&web, &*mailbox);
    Router::new().route(PATH, get(page))
}

fn show(web: &Web, mailbox: &dyn Mailbox) -> Response {
    let letters = mailbox.letters();
    let issuer = &web.ports.settings.issuer;
    let page = DevMailPage {
        letters: letters
            .iter()
            .map(|letter| LetterView::of(letter, issuer))
            .collect(),
    };
    respond::html(StatusCode::OK, &page)
}

/// All mails, newest first.
#[derive(Debug, Template)]
#[template(path = "dev_mail.html")]
struct DevMailPage<'a> {
    letters: Vec<LetterView<'a>>,
}

impl Page for DevMailPage<'_> {
    fn policy(&self) -> PagePolicy {
        PagePolicy::bare()
    }
}

#[derive(Debug)]
struct LetterView<'a> {
    id: &'a str,
    to: &'a str,
    subject: &'a str,
    text: &'a str,
    links: Vec<&'a str>,
}

impl<'a> LetterView<'a> {
    fn of(letter: &'a Letter, issuer: &Issuer) -> Self {
        let beginning = format!("{issuer}/");
        let lines = letter.text.lines();
        Self {
            id: &letter.id,
            to: letter.to.as_str(),
            subject: &letter.subject,
            text: &letter.text,
            links: lines.filter(|line| line.starts_with(&beginning)).collect(),
        }
    }
}
