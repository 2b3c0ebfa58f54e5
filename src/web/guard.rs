//! What stands around every route of the public listener: limits, the caller's address, the trace
//! id, security headers, cross-origin access, and an answer even to a panic.
//!
//! Nothing here looks at `Host` or `X-Forwarded-Host`: every URL that we write begins with the
//! configured issuer (security.md 151).

mod address;
mod certificate;
mod cors;
mod headers;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    response::Response,
};
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use ipnet::IpNet;
use tower::ServiceExt as _;

pub use self::{address::client as caller, cors::Origins};
use super::{
    answer,
    api::{
        self,
        problem::{Kind, Problem},
    },
    context::{self, ClientCertificate, PeerAddress, TraceId},
    pages::ErrorCause,
    respond,
};
use crate::{
    application::ports::Rng,
    metrics,
    protocol::error::{ErrorCode, OAuthError},
    telemetry::{self, Answered, Incoming, Tracer},
};

/// Bytes of path and query at most.
const MAX_URL: usize = 8 * 1024;
/// Bytes of a body at most.
const MAX_BODY: usize = 64 * 1024;
/// Bytes of all headers at most.
const MAX_HEADERS: usize = 32 * 1024;
/// When to try again, seconds.
const RETRY_AFTER: &str = "5";

/// What the guard goes by.
pub struct Guard {
    /// Whether browsers reach us over https, so that they should never try anything else.
    pub scheme: Scheme,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether those proxies tell of clients' certificates (RFC 9440).
    pub proxy_certificates: bool,
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// For trace ids.
    pub rng: Arc<dyn Rng>,
    /// Which origins belong to clients.
    pub origins: Arc<dyn Origins>,
    /// Decides which requests are traced, where there is a collector.
    pub tracer: Option<Arc<Tracer>>,
}

impl Guard {
    fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }
}

/// How browsers reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Over TLS, here or at the proxy.
    Https,
    /// On loopback.
    Http,
}

/// Puts the guard around the public routes. The listener must say who connects (`ConnectInfo`).
pub fn protect(router: Router, guard: Guard) -> Router {
    let guard = Arc::new(guard);
    // Around the router and not a layer of it: a layer is copied with each route for each request.
    let guarded = tower::service_fn(move |request: Request| {
        let (guard, next) = (guard.clone(), Next(router.clone()));
        async move { Ok::<_, Infallible>(watch(guard, request, next).await) }
    });
    Router::new().fallback_service(guarded)
}

/// What stands behind the guard.
struct Next(Router);

impl Next {
    async fn run(self, request: Request) -> Response {
        let Ok(response) = self.0.oneshot(request).await;
        response
    }
}

/// Names the request, and logs how it ended: one line, of which the trace id leads to all else.
async fn watch(guard: Arc<Guard>, mut request: Request, next: Next) -> Response {
    let incoming = Incoming::read(request.headers(), &*guard.rng);
    let trace = incoming.id.to_string();
    let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = connection.map(|ConnectInfo(peer)| peer.ip());
    let address = peer.map(|peer| address::client(peer, request.headers(), &guard.trusted_proxies));
    if let Some(address) = address {
        request.extensions_mut().insert(PeerAddress(address));
    }
    if guard.proxy_certificates && peer.is_some_and(|peer| guard.trusts(peer)) {
        let told = ClientCertificate(certificate::told(request.headers()));
        request.extensions_mut().insert(told);
    }
    request.extensions_mut().insert(TraceId(trace.clone()));
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let began = tokio::time::Instant::now();
    let traced = telemetry::Request::begin(&incoming, guard.tracer.as_ref());
    let work = async move {
        let mut response = admit(&guard, request, next, &trace).await;
        headers::put(response.headers_mut(), guard.scheme, &trace);
        metrics::request(uri.path(), response.status().as_u16(), began.elapsed());
        tracing::info!(
            method = method.as_str(),
            path = beginning(uri.path()),
            address = address.map(tracing::field::display),
            status = response.status().as_u16(),
            microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        telemetry::answered(Answered {
            method: &method,
            endpoint: metrics::endpoint(uri.path()),
            status: response.status().as_u16(),
        });
        response
    };
    traced.scope(work).await
}

/// As much of a path as the log needs.
fn beginning(path: &str) -> &str {
    let end = path
        .char_indices()
        .nth(200)
        .map_or(path.len(), |(at, _)| at);
    path.get(..end).unwrap_or_default()
}

/// Refuses what is too big, answers preflights, and lets the rest through.
async fn admit(guard: &Guard, request: Request, next: Next, trace: &str) -> Response {
    let form = Form::of(request.uri().path());
    if let Some(status) = too_big(&request) {
        return refuse(form, status, trace);
    }
    // Which of two origins would it be? Browsers send one (WHATWG Fetch section 3.2).
    if context::single(request.headers(), &header::ORIGIN).is_err() {
        return refuse(form, StatusCode::BAD_REQUEST, trace);
    }
    let cors = cors::Cors::of(&request);
    if cors.is_preflight() {
        return cors.preflight(&*guard.origins).await;
    }
    let origin = cors.allowed(&*guard.origins).await;
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(guard.body_timeout, read(body)).await {
        Ok(body) => body,
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    };
    let request = match body {
        Ok(bytes) => Request::from_parts(parts, Body::from(bytes)),
        Err(status) => {
            let mut response = refuse(form, status, trace);
            cors::put(response.headers_mut(), origin);
            return response;
        }
    };
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(guard.request_timeout, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            metrics::panicked();
            tracing::error!(panic = panic_message(&*panic), "a handler panicked");
            refuse(form, StatusCode::INTERNAL_SERVER_ERROR, trace)
        }
        Err(_) => {
            tracing::error!("a request took too long");
            refuse(form, StatusCode::SERVICE_UNAVAILABLE, trace)
        }
    };
    cors::put(response.headers_mut(), origin);
    response
}

/// Reads the body, so that no handler has to wait for it or to say that it is too long.
async fn read(body: Body) -> Result<Bytes, StatusCode> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

fn too_big(request: &Request) -> Option<StatusCode> {
    let url = request
        .uri()
        .path_and_query()
        .map_or(0, |url| url.as_str().len());
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    if url > MAX_URL {
        Some(StatusCode::URI_TOO_LONG)
    } else if headers > MAX_HEADERS {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else if declared > MAX_BODY {
        Some(StatusCode::PAYLOAD_TOO_LARGE)
    } else {
        None
    }
}

/// In which form an address answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A page for people.
    Page,
    /// JSON as the protocol's endpoints answer.
    Json,
    /// Problem details (RFC 9457).
    Problem,
}

impl Form {
    fn of(path: &str) -> Self {
        use crate::protocol::metadata::paths;
        let is_for_programs =
            cors::is_open(path) || cors::is_for_clients(path) || path == paths::INTROSPECT;
        if api::is_api(path) {
            Self::Problem
        } else if is_for_programs {
            Self::Json
        } else {
            Self::Page
        }
    }
}

fn refuse(form: Form, status: StatusCode, trace: &str) -> Response {
    let (code, description, cause) = match status {
        StatusCode::INTERNAL_SERVER_ERROR => (
            ErrorCode::ServerError,
            "something went wrong on the server",
            ErrorCause::ServerError,
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            ErrorCode::TemporarilyUnavailable,
            "the server is busy, please try again",
            ErrorCause::ServerBusy,
        ),
        StatusCode::BAD_REQUEST => (
            ErrorCode::InvalidRequest,
            "the request cannot be read",
            ErrorCause::MalformedRequest,
        ),
        StatusCode::REQUEST_TIMEOUT => (
            ErrorCode::InvalidRequest,
            "the body of the request took too long",
            ErrorCause::MalformedRequest,
        ),
        _ => (
            ErrorCode::InvalidRequest,
            "the request is too large",
            ErrorCause::MalformedRequest,
        ),
    };
    let mut response = match form {
        Form::Json => answer::error(&OAuthError::new(code, description)),
        Form::Page => respond::error(cause, trace),
        Form::Problem => Problem::new(kind(status)).respond(trace),
    };
    *response.status_mut() = status;
    if status == StatusCode::REQUEST_TIMEOUT {
        // The rest of the body may come yet, or never (RFC 9110 section 15.5.9).
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

fn kind(status: StatusCode) -> Kind {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
        StatusCode::BAD_REQUEST => Kind::InvalidRequest,
        StatusCode::REQUEST_TIMEOUT => Kind::TooSlow,
        StatusCode::URI_TOO_LONG => Kind::UriTooLong,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Kind::HeadersTooLarge,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        _ => Kind::ServerError,
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests;
