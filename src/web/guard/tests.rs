#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use async_trait::async_trait;
use axum::routing::{get, post};
use http::Method;
use tower::ServiceExt as _;

use super::*;
use crate::{infrastructure::random::SystemRng, protocol::metadata::paths};

struct One;

#[async_trait]
impl Origins for One {
    async fn is_registered(&self, origin: &str) -> bool {
        origin == "https://app.example"
    }
}

fn guarded(timeout: Duration, scheme: Scheme) -> Router {
    let router =
        Router::new()
            .route("/", get(|| async { "page" }))
            .route("/panic", get(|| async { panic!("injected") as &str }))
            .route(
                paths::TOKEN,
                post(|body: Bytes| async move { body.len().to_string() }),
            )
            .route(
                paths::USERINFO,
                get(|| async { panic!("injected") as &str }),
            )
            .route(
                paths::JWKS,
                get(|| async {
                    (
                        [(header::CACHE_CONTROL, "public, max-age=300")],
                        "k".repeat(2000),
                    )
                }),
            )
            .route("/slow", get(std::future::pending::<&str>))
            .route(
                "/peer",
                get(
                    |axum::Extension(peer): axum::Extension<PeerAddress>| async move {
                        peer.0.to_string()
                    },
                ),
            );
    let guard = Guard {
        proxy_certificates: false,
        scheme,
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        request_timeout: timeout,
        body_timeout: timeout.max(Duration::from_secs(1)),
        rng: Arc::new(SystemRng),
        origins: Arc::new(One),
        tracer: None,
    };
    protect(router, guard)
}

async fn answer_to(request: http::request::Builder, body: Body) -> Response {
    let mut request = request.body(body).unwrap();
    let peer: SocketAddr = "10.0.0.1:4711".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let app = guarded(Duration::from_hours(1), Scheme::Https);
    app.oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_its_name() {
    let request = Request::get("/").header("x-request-id", "abc-1");
    let response = answer_to(request, Body::empty()).await;
    let headers = response.headers();
    assert_eq!(headers["x-request-id"], "abc-1");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(
        headers["strict-transport-security"]
            .to_str()
            .unwrap()
            .starts_with("max-age=")
    );
    let missing = answer_to(Request::get("/nothing"), Body::empty()).await;
    assert_eq!(missing.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn plain_http_promises_no_transport_security() {
    let app = guarded(Duration::from_hours(1), Scheme::Http);
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert!(!response.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn c189_a_panic_is_answered_in_the_form_of_its_address() {
    let page = answer_to(
        Request::get("/panic").header("x-request-id", "7af7"),
        Body::empty(),
    )
    .await;
    assert_eq!(page.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let page = text(page).await;
    assert!(
        page.contains("7af7") && !page.contains("injected"),
        "{page}"
    );
    let json = answer_to(Request::get(paths::USERINFO), Body::empty()).await;
    assert_eq!(json.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text(json).await.starts_with("{\"error\":\"server_error\""));
    assert_eq!(
        answer_to(Request::get("/"), Body::empty()).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_is_too_big_is_refused_before_any_handler() {
    let url = format!("/?{}", "a".repeat(MAX_URL));
    assert_eq!(
        answer_to(Request::get(url), Body::empty()).await.status(),
        414
    );
    let header = "a".repeat(MAX_HEADERS);
    let request = Request::get("/").header("x-long", header);
    assert_eq!(answer_to(request, Body::empty()).await.status(), 431);
    let body = || Body::from(vec![b'a'; MAX_BODY + 1]);
    let declared = Request::post(paths::TOKEN).header("content-length", MAX_BODY + 1);
    assert_eq!(answer_to(declared, body()).await.status(), 413);
    let undeclared = answer_to(Request::post(paths::TOKEN), body()).await;
    assert_eq!(undeclared.status(), 413);
    assert!(
        text(undeclared)
            .await
            .starts_with("{\"error\":\"invalid_request\"")
    );
    let fits = Body::from(vec![b'a'; MAX_BODY]);
    let fits = answer_to(Request::post(paths::TOKEN), fits).await;
    assert_eq!(text(fits).await, MAX_BODY.to_string());
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_told_to_come_back() {
    let app = guarded(Duration::ZERO, Scheme::Https);
    let request = Request::get("/slow").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], RETRY_AFTER);
}

#[tokio::test]
async fn c152_handlers_see_the_address_that_the_trusted_proxy_reports() {
    let request = Request::get("/peer").header("x-forwarded-for", "127.0.0.1, 203.0.113.9");
    assert_eq!(
        text(answer_to(request, Body::empty()).await).await,
        "203.0.113.9"
    );
}

#[tokio::test]
async fn c130_scripts_of_clients_may_call_but_never_with_credentials() {
    let call = |origin: &'static str| {
        let request = Request::post(paths::TOKEN).header("origin", origin);
        answer_to(request, Body::empty())
    };
    let response = call("https://app.example").await;
    assert_eq!(
        response.headers()["access-control-allow-origin"],
        "https://app.example"
    );
    assert_eq!(response.headers()["vary"], "origin");
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-credentials")
    );
    for foreign in ["https://evil.example", "null"] {
        let response = call(foreign).await;
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
        assert_eq!(response.headers()["vary"], "origin");
    }
    let page = Request::get("/").header("origin", "https://app.example");
    let page = answer_to(page, Body::empty()).await;
    assert!(!page.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn preflights_are_answered_for_what_scripts_may_call() {
    let ask = |path: &'static str, origin: &'static str| {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        answer_to(request, Body::empty())
    };
    let response = ask(paths::TOKEN, "https://app.example").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        response.headers()["access-control-allow-methods"],
        "GET, POST"
    );
    let foreign = ask(paths::TOKEN, "https://evil.example").await;
    assert!(
        !foreign
            .headers()
            .contains_key("access-control-allow-methods")
    );
    let open = ask(paths::JWKS, "https://evil.example").await;
    assert_eq!(open.headers()["access-control-allow-origin"], "*");
}
