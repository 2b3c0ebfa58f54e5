//! Cross-origin access (WHATWG Fetch section 3.3). Discovery and JWKS are for everybody; token,
//! userinfo, revocation and the JSON login for the origins of active clients. Credentials are never allowed: our
//! cookies are for our pages only (security.md 130).

use async_trait::async_trait;
use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{application::queries::origins::ClientOrigins, protocol::metadata::paths};

/// Methods and headers that a preflight may ask for.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
/// How long browsers remember the answer to a preflight, seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Knows which origins belong to clients.
#[async_trait]
pub trait Origins: Send + Sync {
    /// Whether an active client has this origin, such as `https://app.example.com`.
    async fn is_registered(&self, origin: &str) -> bool;
}

/// What everybody may read.
pub(super) fn is_open(path: &str) -> bool {
    [
        paths::OPENID_CONFIGURATION,
        paths::OAUTH_METADATA,
        paths::JWKS,
    ]
    .contains(&path)
}

/// What scripts of clients may call.
pub(super) fn is_for_clients(path: &str) -> bool {
    [
        paths::TOKEN,
        paths::USERINFO,
        paths::REVOKE,
        paths::LOGIN,
        paths::REFRESH,
        paths::LOGOUT_API,
        paths::ME,
    ]
    .contains(&path)
}

/// What a request says about where its script comes from.
pub(super) struct Cors {
    access: Access,
    origin: Option<HeaderValue>,
    preflight: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Everybody,
    Clients,
    Nobody,
}

impl Cors {
    pub(super) fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let access = if is_open(path) {
            Access::Everybody
        } else if is_for_clients(path) {
            Access::Clients
        } else {
            Access::Nobody
        };
        let headers = request.headers();
        Self {
            access,
            origin: headers.get(header::ORIGIN).cloned(),
            preflight: request.method() == Method::OPTIONS
                && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD),
        }
    }

    /// Whether the browser only asks whether it may ask.
    pub(super) fn is_preflight(&self) -> bool {
        self.preflight && self.access != Access::Nobody
    }

    pub(super) async fn preflight(&self, origins: &dyn Origins) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let allowed = self.allowed(origins).await;
        if allowed.origin.is_some() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        put(headers, allowed);
        response
    }

    /// Which origin may read the answer.
    pub(super) async fn allowed(&self, origins: &dyn Origins) -> Allowed {
        let origin = match (self.access, &self.origin) {
            (Access::Everybody, _) => Some(HeaderValue::from_static("*")),
            (Access::Clients, Some(origin)) => {
                let is_registered = match origin.to_str() {
                    Ok(text) => origins.is_registered(text).await,
                    Err(_) => false,
                };
                is_registered.then(|| origin.clone())
            }
            (Access::Clients, None) | (Access::Nobody, _) => None,
        };
        Allowed {
            origin,
            varies: self.access == Access::Clients,
        }
    }
}

/// The origin that may read an answer, and whether another would get another answer.
pub(super) struct Allowed {
    origin: Option<HeaderValue>,
    varies: bool,
}

pub(super) fn put(headers: &mut HeaderMap, allowed: Allowed) {
    if allowed.varies {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = allowed.origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(
                "ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id",
            ),
        );
    }
}

#[async_trait]
impl Origins for ClientOrigins {
    async fn is_registered(&self, origin: &str) -> bool {
        self.contains(origin).await
    }
}
