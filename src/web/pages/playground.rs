//! The playground (development only): an application built into the server, on the openidconnect crate.
//!
//! It talks to its own server over HTTP like any other relying party (code flow with PKCE,
//! `client_secret_basic`) and shows every message. Tokens and secrets are on the page, since they are the
//! developer's own, but in no log.

mod calls;
mod choices;
mod party;
mod record;
mod steps;
mod verify;
mod visit;

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::State,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
    routing::{get, post},
};
use secrecy::SecretString;
use url::Url;

use self::{
    choices::Choices,
    party::{Party, Stale},
    visit::{Shared, Visit, Visits},
};
use super::{ErrorCause, PlaygroundAction, PlaygroundPage};
use crate::{
    protocol::params::Params,
    web::{Web, answer, context, respond},
};

/// The page.
pub const PATH: &str = "/playground";
/// The redirect URI below the issuer; [`PATH`] is the post-logout redirect URI.
pub const CALLBACK: &str = "/playground/callback";

/// How the playground is registered: a confidential client with `client_secret_basic`, the grants
/// `authorization_code` and `refresh_token`, and the addresses [`CALLBACK`] and [`PATH`].
#[derive(Clone, Debug)]
pub struct PlaygroundClient {
    /// `client_id`
    pub client_id: String,
    /// `client_secret`
    pub client_secret: SecretString,
    /// The identifier of a public client with the same addresses.
    pub public: Option<String>,
    /// A client that asks for tokens of its own, and its secret.
    pub service: Option<(String, SecretString)>,
}

struct Playground {
    client: PlaygroundClient,
    http: reqwest::Client,
    visits: Visits,
}

/// The playground's routes. Only a server in development mode has them.
pub fn router(client: PlaygroundClient) -> Result<Router<Arc<Web>>, reqwest::Error> {
    let playground = Playground {
        client,
        http: record::client()?,
        visits: Visits::default(),
    };
    Ok(Router::new()
        .route(PATH, get(page))
        .route(CALLBACK, get(callback))
        .route("/playground/start", post(start))
        .route("/playground/client-credentials", post(client_credentials))
        .route("/playground/userinfo", post(userinfo))
        .route("/playground/introspect", post(introspect))
        .route("/playground/refresh", post(refresh))
        .route("/playground/logout", post(log_out))
        .route("/playground/start-over", post(start_over))
        .layer(Extension(Arc::new(playground))))
}

type Shelf = Extension<Arc<Playground>>;

impl Playground {
    fn find(&self, web: &Web, parts: &Parts) -> Option<Shared> {
        let secret = web.cookies.playground(&parts.headers)?;
        self.visits.find(&secret)
    }

    fn party<'a>(&'a self, web: &'a Web, visit: &'a mut Visit) -> Party<'a> {
        Party {
            web,
            http: &self.http,
            client: &self.client,
            visit,
        }
    }
}

/// GET: what happened so far. Also where the browser comes back to after signing out.
async fn page(State(web): State<Arc<Web>>, Extension(playground): Shelf, parts: Parts) -> Response {
    let Some(shared) = playground.find(&web, &parts) else {
        return show(&web, &Visit::default());
    };
    let mut visit = shared.lock().await;
    if let Some(state) = context::query(&parts.uri).get("state") {
        let before = visit.steps.count();
        calls::signed_out(&mut visit, state);
        return news(before);
    }
    show(&web, &visit)
}

fn show(web: &Web, visit: &Visit) -> Response {
    let signed_in = visit.tokens.is_some();
    let mut actions = if signed_in {
        visit.steps.actions()
    } else {
        Vec::new()
    };
    if visit.steps.count() > 0 {
        actions.push(PlaygroundAction::StartOver);
    }
    let page = PlaygroundPage {
        nonce: answer::nonce(&web.ports),
        steps: visit.steps.shown(),
        actions,
        choices: (!signed_in).then(|| visit.choices.shown()),
        signed_in,
    };
    respond::html(StatusCode::OK, &page)
}

/// POST: begins a sign-in, in a visit of its own where the browser has none.
async fn start(
    State(web): State<Arc<Web>>,
    Extension(playground): Shelf,
    parts: Parts,
    body: Bytes,
) -> Response {
    if let Some(refusal) = refuse_cross_site(&web, &parts) {
        return refusal;
    }
    let (shared, cookie) = find_or_add(&web, &playground, &parts);
    let mut visit = shared.lock().await;
    let choices = Choices::parse(&Params::parse(&body));
    let address = playground.party(&web, &mut visit).start(choices).await;
    with_cookie(onward(address.as_ref()), cookie)
}

/// POST: asks for a token of an application's own.
async fn client_credentials(
    State(web): State<Arc<Web>>,
    Extension(playground): Shelf,
    parts: Parts,
    body: Bytes,
) -> Response {
    if let Some(refusal) = refuse_cross_site(&web, &parts) {
        return refusal;
    }
    let (shared, cookie) = find_or_add(&web, &playground, &parts);
    let mut visit = shared.lock().await;
    let before = visit.steps.count();
    visit.choices = Choices::parse(&Params::parse(&body));
    playground
        .party(&web, &mut visit)
        .client_credentials()
        .await;
    with_cookie(news(before), cookie)
}

fn find_or_add(web: &Web, playground: &Playground, parts: &Parts) -> (Shared, Option<HeaderValue>) {
    if let Some(shared) = playground.find(web, parts) {
        return (shared, None);
    }
    let secret = web.ports.secret();
    let cookie = web.cookies.set_playground(&secret);
    (playground.visits.add(&secret), cookie)
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// GET: the browser is back with a code or an error. It goes on to the page, so that no code stays in its
/// address bar.
async fn callback(
    State(web): State<Arc<Web>>,
    Extension(playground): Shelf,
    parts: Parts,
) -> Response {
    let stale = || respond::error(ErrorCause::ExpiredInteraction, context::trace(&parts));
    let Some(shared) = playground.find(&web, &parts) else {
        return stale();
    };
    let Ok(mut address) = Url::parse(&web.ports.settings.issuer.url(CALLBACK)) else {
        return stale();
    };
    address.set_query(parts.uri.query());
    let mut visit = shared.lock().await;
    let before = visit.steps.count();
    match playground.party(&web, &mut visit).callback(&address).await {
        Ok(()) => news(before),
        Err(Stale) => stale(),
    }
}

/// POST: asks the userinfo endpoint.
async fn userinfo(
    State(web): State<Arc<Web>>,
    Extension(playground): Shelf,
    parts: Parts,
) -> Response {
    if let Some(refusal) = refuse_cross_site(&web, &parts) {
        return refusal;
    }
    let Some(shared) = playground.find(&web, &parts) else {
        return answer::see_other(PATH);
    };
    let mut visit = shared.lock().await;
    let before = visit.steps.count();
    playground.party(&web, &mut visit).userinfo().await;
    news(before)
}

/// POST: asks the introspection endpoint.
async fn introspect(
    State(web): State<Arc<Web>>,
    Extension(playground): Shelf,
    parts: Parts,
) -> Response {
    if let Some(refusal) = refuse_cross_site(&web, &parts) {
        return refusal;
    }
    let Some(shared) = playground.find(&web, &parts) else {
        return answer::see_other(PATH);
    };
    let mut visit = shared.lock().await;
    let before = visit.steps.count();
    playground.party(&web, &mut visit).introspect().await;
    news(before)
}

/// POST: uses the refresh token.
async fn refresh(
    State(web): State<Arc<Web>>,
    Extension(playground): Shelf,
    parts: Parts,
) -> Response {
    if let Some(refusal) = refuse_cross_site(&web, &parts) {
        return refusal;
    }
    let Some(shared) = playground.find(&web, &parts) else {
        return answer::see_other(PATH);
    };
    let mut visit = shared.lock().await;
    let before = visit.steps.count();
    playground.party(&web, &mut visit).refresh().await;
    news(before)
}

/// POST: sends the browser to the server to sign out.
async fn log_out(
    State(web): State<Arc<Web>>,
    Extension(playground): Shelf,
    parts: Parts,
) -> Response {
    if let Some(refusal) = refuse_cross_site(&web, &parts) {
        return refusal;
    }
    let Some(shared) = playground.find(&web, &parts) else {
        return answer::see_other(PATH);
    };
    let mut visit = shared.lock().await;
    onward(playground.party(&web, &mut visit).log_out().as_ref())
}

/// POST: forgets everything. The session at the server stays.
async fn start_over(
    State(web): State<Arc<Web>>,
    Extension(playground): Shelf,
    parts: Parts,
) -> Response {
    if let Some(refusal) = refuse_cross_site(&web, &parts) {
        return refusal;
    }
    if let Some(shared) = playground.find(&web, &parts) {
        *shared.lock().await = Visit::default();
    }
    answer::see_other(PATH)
}

fn refuse_cross_site(web: &Web, parts: &Parts) -> Option<Response> {
    let is_ours = context::is_same_origin(&parts.headers, &web.ports.settings.issuer.origin());
    (!is_ours).then(|| respond::error(ErrorCause::CrossSitePost, context::trace(parts)))
}

/// Back to the page, where it shows the first step after these.
fn news(before: usize) -> Response {
    answer::see_other(&format!("{PATH}#step-{}", before + 1))
}

/// To the server, or back to the page that says why not.
fn onward(address: Option<&Url>) -> Response {
    answer::see_other(address.map_or(PATH, Url::as_str))
}
