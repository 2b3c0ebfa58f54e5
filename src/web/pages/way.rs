//! The ways through the flow: the addresses of its pages, and where the reader of an error page can go.
//!
//! An address names the interaction and its application. It keeps both when a form fails, so that the
//! page can be loaded again; and a page that comes too late still knows who is waiting.

use axum::{
    http::{header, request::Parts},
    response::Response,
};
use url::form_urlencoded::Serializer;

use super::{ErrorCause, ErrorPage, ReturnUrl};
use crate::{
    application::commands::authorize::InteractionError,
    domain::{
        client::{Client, ClientKind},
        id::ClientId,
    },
    protocol::{authentication::Question, metadata::paths, params::Params},
    web::{Web, answer, context, respond},
};

/// The page that offers the accounts of this browser.
pub const CHOOSE: &str = "/choose-account";

/// The junction, for an interaction.
pub fn resume(id: &str, client: &ClientId) -> String {
    address(&format!("{}/resume", paths::AUTHORIZE), id, client)
}

/// Back to the junction after a form did its work.
pub(super) fn on(parts: &Parts, id: &str) -> Response {
    let query = context::query(&parts.uri);
    let client = ClientId::new(query.get("client_id").unwrap_or_default());
    answer::see_other(&resume(id, &client))
}

/// The page of a question.
pub fn to(question: Question, id: &str, client: &ClientId) -> String {
    let path = match question {
        Question::Choose => CHOOSE,
        Question::LogIn => "/login",
        Question::Consent => "/consent",
    };
    address(path, id, client)
}

/// The login page for somebody else than who is logged in.
pub fn to_another_account(id: &str, client: &ClientId) -> String {
    format!("{}&account=another", to(Question::LogIn, id, client))
}

/// Whether a request to the login page asks for that.
pub fn wants_another_account(query: &Params) -> bool {
    query.get("account") == Some("another")
}

/// The page at `path`, for an interaction.
pub(super) fn address(path: &str, id: &str, client: &ClientId) -> String {
    let query = Serializer::new(String::new())
        .append_pair("interaction", id)
        .append_pair("client_id", client.as_str())
        .finish();
    format!("{path}?{query}")
}

/// The page that tells why an interaction cannot go on.
pub async fn interaction_error(web: &Web, parts: &Parts, error: &InteractionError) -> Response {
    match error {
        InteractionError::Over => lost(web, parts, ErrorCause::ExpiredInteraction).await,
        InteractionError::Foreign => lost(web, parts, foreign(parts)).await,
        InteractionError::Failure(failure) => answer::failure_page(failure, context::trace(parts)),
    }
}

/// A browser that sends no cookie at all probably keeps none.
pub(super) fn foreign(parts: &Parts) -> ErrorCause {
    if parts.headers.contains_key(header::COOKIE) {
        ErrorCause::ForeignInteraction
    } else {
        ErrorCause::NoCookies
    }
}

/// An error page within the flow, with the way back to the application that the address names. What
/// it shows of it comes from the registration, so an address that somebody made up shows nothing else.
pub async fn lost(web: &Web, parts: &Parts, cause: ErrorCause) -> Response {
    let query = context::query(&parts.uri);
    let client = match query.get("client_id") {
        Some(id) => known(web, &ClientId::new(id)).await,
        None => None,
    };
    respond::error_of(cause, context::trace(parts), client.as_deref())
}

async fn known(web: &Web, id: &ClientId) -> Option<std::sync::Arc<Client>> {
    let (_, sight) = web.ports.directory.look(&[]).await.ok()?;
    let client = sight.client(id).await.ok()?;
    client.filter(|client| client.is_active())
}

/// An application as an error page points back to it.
#[derive(Clone, Debug)]
pub struct Application<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its home page, or the site that it lives on; none for a program on the user's device.
    pub home: Option<String>,
}

impl<'a> Application<'a> {
    /// What the registration tells.
    pub fn of(client: &'a Client) -> Self {
        let home = client.links.client.clone().or_else(|| site(client));
        Self {
            name: &client.name,
            home: home.filter(|home| ReturnUrl::parse(home).is_some_and(ReturnUrl::is_web)),
        }
    }
}

/// Where browsers are sent back to, without path and query.
fn site(client: &Client) -> Option<String> {
    if !matches!(client.kind, ClientKind::Web | ClientKind::Spa) {
        return None;
    }
    let mut uris = client.redirect_uris.iter();
    uris.find_map(|uri| {
        let origin = url::Url::parse(uri.as_str()).ok()?.origin();
        origin
            .is_tuple()
            .then(|| format!("{}/", origin.ascii_serialization()))
    })
}

impl<'a> ErrorPage<'a> {
    /// Adds the application that the reader can go back to.
    #[must_use]
    pub fn back_to(mut self, client: &'a Client) -> Self {
        self.application = Some(Application::of(client));
        self
    }
}
