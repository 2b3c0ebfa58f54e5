//! Traces, as a collector on loopback gets them.

mod collector;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use countersign::{
    config::{Sampling, TelemetryConfig},
    telemetry::{self, Incoming, Tracer},
};
use opentelemetry_proto::tonic::trace::v1::Span;

use self::collector::{Collector, Manner};
use crate::{
    guard::server_config,
    support::app::{
        self, Answer, Browser, SECRET, Stage, TestApp, basic, encode, form, on_both, send,
    },
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn config(collector: &Collector, sample_ratio: f64) -> TelemetryConfig {
    TelemetryConfig {
        endpoint: collector.endpoint(),
        headers: vec![("x-api-key".to_owned(), "collector-secret".into())],
        sample_ratio,
        sampling: Sampling::Ratio,
        service_name: "id".to_owned(),
    }
}

async fn traced(stage: Stage, telemetry: TelemetryConfig) -> TestApp {
    TestApp::start_on(stage, None, app::settings(), |options| {
        options.telemetry = Some(telemetry);
    })
    .await
}

fn guarded(app: &TestApp) -> Router {
    app.app.guarded_router(&server_config())
}

/// A client-credentials request with these headers.
async fn ask(router: &Router, headers: &[(&str, &str)]) -> Answer {
    let fields = [("grant_type", "client_credentials")];
    let mut request =
        form("/oauth2/token", &fields).header(header::AUTHORIZATION, basic("service", SECRET));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(Body::from(encode(&fields))).unwrap()).await
}

async fn spans(app: &TestApp, collector: &Collector) -> Vec<Span> {
    app.app.tracer().unwrap().flush().await;
    collector.spans()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("{name} is not among {names:?}"))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|it| it.key == name);
    format!(
        "{:?}",
        found.and_then(|it| it.value.as_ref()?.value.as_ref())
    )
}

/// A login with everything on the way, behind the guard.
async fn code_flow(app: &TestApp, router: &Router) {
    // The browser of the tests has no guard around it; the requests that matter go through one.
    let code = Browser::new(app).code("web", &[("scope", "openid")]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", app::CALLBACK),
        ("code_verifier", app::VERIFIER),
    ];
    let request = form("/oauth2/token", &fields)
        .header(header::AUTHORIZATION, basic("web", SECRET))
        .header("traceparent", PARENT);
    let answer = send(router, request.body(Body::from(encode(&fields))).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

mod a_trace_is_continued_with_a_span_for_all_that_was_waited_for {
    use super::*;

    async fn run(stage: Stage) {
        let collector = Collector::start(Manner::Takes).await;
        let app = traced(stage, config(&collector, 1.0)).await;
        code_flow(&app, &guarded(&app)).await;
        let spans = spans(&app, &collector).await;
        let request = named(&spans, "POST token");
        assert_eq!(hex(&request.trace_id), TRACE);
        assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
        assert_eq!(
            attribute(request, "http.response.status_code"),
            "Some(IntValue(200))"
        );
        assert_eq!(
            attribute(request, "http.route"),
            "Some(StringValue(\"token\"))"
        );
        for name in [
            "state store swap",
            "ledger append",
            "sign ES256",
            "sign RS256",
        ] {
            let span = named(&spans, name);
            assert_eq!(span.trace_id, request.trace_id, "{name}");
            assert_eq!(span.parent_span_id, request.span_id, "{name}");
            assert_eq!(
                attribute(span, "countersign.result"),
                "Some(StringValue(\"ok\"))"
            );
            assert!(
                span.start_time_unix_nano >= request.start_time_unix_nano,
                "{name}"
            );
            assert!(
                span.end_time_unix_nano <= request.end_time_unix_nano,
                "{name}"
            );
        }
        assert_eq!(collector.header("x-api-key"), "collector-secret");
        assert_eq!(collector.service_name(), "id");
    }

    #[tokio::test]
    async fn on_sqlite_and_the_embedded_store() {
        run(Stage::Embedded).await;
    }

    #[tokio::test]
    async fn on_postgres_and_redis() {
        run(Stage::Servers).await;
    }
}

#[tokio::test]
async fn a_login_shows_password_hashing_and_the_database() {
    let collector = Collector::start(Manner::Takes).await;
    let app = traced(Stage::Embedded, config(&collector, 1.0)).await;
    let incoming = Incoming::read(&HeaderMap::new(), &*app.ports().rng);
    let request = telemetry::Request::begin(&incoming, app.app.tracer());
    // The login page posts through the browser, which runs in this task.
    let code = request.scope(async { Browser::new(&app).code("web", &[]).await });
    assert!(!code.await.is_empty());
    let spans = spans(&app, &collector).await;
    for name in [
        "password hash",
        "database begin",
        "database commit",
        "state store put",
    ] {
        assert_eq!(hex(&named(&spans, name).trace_id), &*incoming.id, "{name}");
    }
}

#[tokio::test]
async fn c187_nothing_that_a_request_says_reaches_the_collector() {
    let collector = Collector::start(Manner::Takes).await;
    let app = traced(Stage::Embedded, config(&collector, 1.0)).await;
    let router = guarded(&app);
    code_flow(&app, &router).await;
    for uri in [
        "/oauth2/canary-path",
        "/oauth2/authorize?canary-query=canary",
    ] {
        let request = Request::builder()
            .method("CANARY")
            .uri(uri)
            .header("user-agent", "canary")
            .header(header::AUTHORIZATION, "Bearer canary")
            .header("x-request-id", "not a canary word")
            .header(header::COOKIE, "a=canary");
        send(&router, request.body(Body::from("canary")).unwrap()).await;
    }
    ask(&router, &[("x-request-id", "edge-7")]).await;
    let spans = spans(&app, &collector).await;
    let told = format!("{spans:?}");
    for secret in [
        "canary",
        "CANARY",
        SECRET,
        app::PASSWORD,
        app::VERIFIER,
        app::USERNAME,
    ] {
        assert!(!told.contains(secret), "{secret}");
    }
    named(&spans, "_OTHER other");
    let edge = spans
        .iter()
        .find(|span| attribute(span, "countersign.request_id") == "Some(StringValue(\"edge-7\"))");
    assert!(edge.is_some());
    assert!(spans.iter().all(|span| span.attributes.len() <= 4));
}

#[tokio::test]
async fn chance_decides_and_a_strangers_flag_does_not() {
    let collector = Collector::start(Manner::Takes).await;
    let app = traced(Stage::Embedded, config(&collector, 0.0)).await;
    let router = guarded(&app);
    for _ in 0..20 {
        let answer = ask(&router, &[("traceparent", PARENT)]).await;
        assert_eq!(answer.headers["x-request-id"], TRACE);
    }
    assert_eq!(spans(&app, &collector).await, []);
}

#[tokio::test]
async fn a_gateway_may_decide_where_it_was_given_the_say() {
    let collector = Collector::start(Manner::Takes).await;
    let sampling = Sampling::Parent;
    let telemetry = |ratio| TelemetryConfig {
        sampling,
        ..config(&collector, ratio)
    };
    let app = traced(Stage::Embedded, telemetry(1.0)).await;
    let router = guarded(&app);
    let unsampled = PARENT.replace("-01", "-00");
    ask(&router, &[("traceparent", &unsampled)]).await;
    assert_eq!(spans(&app, &collector).await, []);
    let app = traced(Stage::Embedded, telemetry(0.0)).await;
    let router = guarded(&app);
    ask(&router, &[]).await;
    assert_eq!(spans(&app, &collector).await, []);
    ask(
        &router,
        &[("traceparent", PARENT), ("tracestate", "vendor=1")],
    )
    .await;
    let spans = spans(&app, &collector).await;
    assert_eq!(named(&spans, "POST token").trace_state, "vendor=1");
}

#[tokio::test]
async fn what_we_ask_of_others_carries_the_trace_on() {
    let collector = Collector::start(Manner::Takes).await;
    let app = traced(Stage::Embedded, config(&collector, 1.0)).await;
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", PARENT.parse().unwrap());
    headers.insert("tracestate", "vendor=1".parse().unwrap());
    let incoming = Incoming::read(&headers, &*app.ports().rng);
    let propagated = async |tracer: Option<&Arc<Tracer>>| {
        let request = telemetry::Request::begin(&incoming, tracer);
        let told = async {
            let mut headers = HeaderMap::new();
            telemetry::propagate(&mut headers);
            headers
        };
        request.scope(told).await
    };
    let sampled = propagated(app.app.tracer()).await;
    let parent = sampled["traceparent"].to_str().unwrap().to_owned();
    assert!(
        parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-01"),
        "{parent}"
    );
    assert!(!parent.contains("b7ad6b7169203331"), "the span is ours");
    assert_eq!(sampled["tracestate"], "vendor=1");
    let passed_on = propagated(None).await;
    assert_eq!(passed_on["traceparent"], PARENT.replace("-01", "-00"));
    let mut outside = HeaderMap::new();
    telemetry::propagate(&mut outside);
    assert!(outside.is_empty());
}

#[tokio::test]
async fn a_collector_that_is_away_slow_or_broken_costs_spans_and_nothing_else() {
    for manner in [Manner::Hangs, Manner::Fails, Manner::Away] {
        let collector = Collector::start(manner).await;
        let app = traced(Stage::Embedded, config(&collector, 1.0)).await;
        let router = guarded(&app);
        let before = dropped();
        for _ in 0..1500 {
            assert_eq!(ask(&router, &[]).await.status, StatusCode::OK, "{manner:?}");
        }
        let tracer = Arc::clone(app.app.tracer().unwrap());
        // Gives up after a while, whatever the collector does.
        tokio::time::timeout(Duration::from_mins(1), tracer.flush())
            .await
            .unwrap();
        assert!(dropped() > before, "{manner:?}");
    }
}

/// Spans that were dropped so far, in the whole process.
fn dropped() -> u64 {
    let text = countersign::metrics::render().unwrap();
    let line = "countersign_spans_total{result=\"dropped\"} ";
    let count = text.lines().find_map(|it| it.strip_prefix(line));
    count.map_or(0, |count| count.parse().unwrap())
}

on_both! {
    async fn nothing_is_traced_without_a_collector(app: TestApp) {
        assert!(app.app.tracer().is_none());
        let answer = ask(&guarded(&app), &[("traceparent", PARENT)]).await;
        assert_eq!(answer.headers["x-request-id"], TRACE);
    }
}
