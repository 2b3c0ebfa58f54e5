//! A call of the administration API: who it is, what version it is meant for, and its answer.

use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    application::{
        Failure,
        administration::{Acting, Version},
        limits::Endpoint,
        queries::administrator::administrator,
        registrar::Registrar,
        trail::{About, Origin},
    },
    domain::event::{Actor, EventKind},
    protocol::metadata::paths,
    web::{
        Web, answer,
        api::{
            bearer_token, counted,
            problem::{Kind, Problem},
        },
        context,
    },
};

/// Bytes of a body at most.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// A part of the path that cannot be one is nothing that there is.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(part)) => Ok(Self(part)),
            Err(_) => Err(Problem::new(Kind::NotFound).respond(context::trace(parts))),
        }
    }
}

/// Does something as the administrator who calls.
pub(super) async fn call(
    web: &Web,
    parts: &Parts,
    work: impl AsyncFnOnce(Registrar) -> Result<Response, Problem>,
) -> Response {
    let work = async {
        let registrar = registrar(web, parts).await?;
        refusals_noted(web, parts, registrar, work).await
    };
    counted(web, parts, Endpoint::Administration, work).await
}

/// The same for a change of something that others may be changing: the request says of which version.
pub(super) async fn call_on_version(
    web: &Web,
    parts: &Parts,
    work: impl AsyncFnOnce(Registrar) -> Result<Response, Problem>,
) -> Response {
    let work = async {
        // Whoever is nobody is told that first.
        let mut registrar = registrar(web, parts).await?;
        let expected = expected(parts)?;
        if let Acting::Administrator(who) = &mut registrar.acting {
            who.expected = expected;
        }
        refusals_noted(web, parts, registrar, work).await
    };
    counted(web, parts, Endpoint::Administration, work).await
}

/// Does it. That somebody was refused for want of a right stands in the trail (security.md 168).
async fn refusals_noted(
    web: &Web,
    parts: &Parts,
    registrar: Registrar,
    work: impl AsyncFnOnce(Registrar) -> Result<Response, Problem>,
) -> Result<Response, Problem> {
    let origin = origin(&registrar);
    let done = Box::pin(work(registrar)).await;
    if done
        .as_ref()
        .is_err_and(|problem| problem.kind == Kind::Forbidden)
    {
        // Refusals share a line with others of the same caller only.
        let (user, client) = match &origin.by {
            Some(Actor::User(user)) => (Some(user.clone()), None),
            Some(Actor::Client(client)) => (None, Some(client.clone())),
            Some(Actor::Operator | Actor::System) | None => (None, None),
        };
        let about = About {
            user,
            client,
            detail: Some(json!({
                "method": parts.method.as_str(),
                // As it was asked for: routes below know the rest of it only.
                "path": format!("{}{}", paths::ADMINISTRATION, parts.uri.path()),
            })),
            ..About::default()
        };
        let kind = EventKind::AdministrationRefused;
        let noted = web.ports.refused(kind, &origin, about).await;
        noted.map_err(Failure::from)?;
    }
    done
}

async fn registrar(web: &Web, parts: &Parts) -> Result<Registrar, Problem> {
    let token = bearer_token(parts)?;
    let origin = context::origin(parts);
    let who = administrator(&web.ports, token, &origin).await?;
    let acting = Acting::Administrator(Box::new(who));
    Ok(Registrar::of(&web.ports, acting))
}

/// Who calls, as events name them.
pub(super) fn origin(registrar: &Registrar) -> Origin {
    match &registrar.acting {
        Acting::Operator => Origin::default(),
        Acting::Administrator(who) => who.origin.clone(),
    }
}

/// The versions that `If-Match` names (RFC 9110 §13.1.1): strong tags, or `*` for any. A weak one never
/// matches.
fn expected(parts: &Parts) -> Result<Option<Vec<Version>>, Problem> {
    let header = context::single(&parts.headers, &header::IF_MATCH)
        .map_err(|_| Problem::new(Kind::InvalidRequest).detail("more than one If-Match header"))?;
    let Some(header) = header else {
        return Err(Problem::new(Kind::PreconditionRequired)
            .detail("send the ETag of what you read as If-Match"));
    };
    let text = std::str::from_utf8(header).unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tags = text.split(',').map(str::trim);
    let strong = tags.filter_map(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
    Ok(Some(strong.map(Version::named).collect()))
}

/// An answer with the version of the record that it shows.
pub(super) fn versioned<T: Serialize>(status: StatusCode, version: &Version, body: &T) -> Response {
    let mut response = answer::json(status, body);
    set(
        &mut response,
        header::ETAG,
        &format!("\"{}\"", version.as_str()),
    );
    response
}

/// The answer to what made something: where it is.
pub(super) fn created<T: Serialize>(location: &str, version: &Version, body: &T) -> Response {
    let mut response = versioned(StatusCode::CREATED, version, body);
    set(&mut response, header::LOCATION, location);
    response
}

/// Nothing to say but that it is done.
pub(super) fn done() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A part of an address: everything but letters, digits and `-._~` is escaped (RFC 3986 §2.3).
pub(super) fn segment(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const ESCAPED: AsciiSet = NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, &ESCAPED).to_string()
}
