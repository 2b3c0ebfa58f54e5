//! Requests that are huge, or many and each different (security.md 19–21): refused early, and remembered
//! by nothing. What they may cost is counted in bytes of memory that stay in use, by a process of its own.

use std::{env, fs, process::Command};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};

use super::support::app::{Answer, CALLBACK, Stage, TestApp, authorize_uri, encode, on_both, send};

/// Tells a copy of this test program that it is the one to be measured.
const MEASURED: &str = "COUNTERSIGN_TEST_FLOODED";
/// What a flood may leave in use.
const MOST_LEFT_KIB: u64 = 10 * 1024;
/// What browsers keep of a cookie (RFC 6265bis §5.6).
const MAX_COOKIE: usize = 4096;

fn guarded(app: &TestApp) -> Router {
    app.app.guarded_router(&super::guard::server_config())
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

/// The authorization request as a form.
fn post(extra: &[(&str, &str)]) -> Request<Body> {
    let uri = authorize_uri("web", extra);
    let (path, query) = uri.split_once('?').unwrap();
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(query.to_owned()))
        .unwrap()
}

/// A refusal that repeats nothing of what came, and sets no cookie that a browser would not keep.
fn assert_refused(answer: &Answer, statuses: &[u16], error: &str) {
    let status = answer.status.as_u16();
    assert!(statuses.contains(&status), "{status}: {}", answer.body);
    if answer.status == StatusCode::SEE_OTHER {
        assert!(answer.location().starts_with(CALLBACK));
        assert_eq!(answer.location_param("error").as_deref(), Some(error));
    }
    let size: usize = answer.headers.iter().map(|(_, value)| value.len()).sum();
    assert!(size + answer.body.len() < 16 * 1024, "{size}");
    for cookie in answer.headers.get_all(header::SET_COOKIE) {
        assert!(cookie.len() <= MAX_COOKIE);
    }
}

on_both! {
    async fn c019_a_megabyte_of_scope_and_ten_thousand_scopes_are_refused(app: TestApp) {
        let router = guarded(&app);
        let (megabyte, events) = ("x".repeat(1_000_000), app.events().await.len());
        // No URL that long is ever taken for one; sixty kilobytes are, and refused.
        assert_refused(&send(&router, get(&authorize_uri("web", &[("scope", &megabyte[..60_000])]))).await, &[414], "");
        assert_refused(&send(&router, post(&[("scope", &megabyte)])).await, &[413], "");
        let many: Vec<String> = (0..10_000).map(|n| format!("s{n}")).collect();
        let many = many.join(" ");
        assert_refused(&send(&router, get(&authorize_uri("web", &[("scope", &many)]))).await, &[414], "");
        // What fits into a form: 20,000 one-letter words, all the same.
        let short = vec!["a"; 20_000].join(" ");
        assert_refused(&send(&router, post(&[("scope", &short)])).await, &[303], "invalid_request");
        // What fits into a parameter, down to one word more than is allowed.
        for count in [500, 200, 65] {
            let words: Vec<String> = (0..count).map(|n| format!("{n:x}")).collect();
            let words = words.join(" ");
            assert_refused(&send(&router, get(&authorize_uri("web", &[("scope", &words)]))).await, &[303], "invalid_scope");
        }
        let fields = [("grant_type", "client_credentials"), ("scope", megabyte.as_str())];
        let request = Request::post("/oauth2/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = send(&router, request.body(Body::from(encode(&fields))).unwrap()).await;
        answer.assert_error(413, "invalid_request");
        assert_eq!(app.events().await.len(), events);
    }

    async fn c021_sixty_four_kilobytes_of_login_hint_become_no_cookie(app: TestApp) {
        let router = guarded(&app);
        for length in [64 * 1024, 60 * 1024, 2_049] {
            let hint = "x".repeat(length);
            let statuses: &[u16] = if length > 63 * 1024 { &[413] } else { &[303] };
            assert_refused(&send(&router, post(&[("login_hint", &hint)])).await, statuses, "invalid_request");
            let statuses: &[u16] = if length > 8 * 1024 { &[414] } else { &[303] };
            let hint = &hint[..length.min(60 * 1024)];
            assert_refused(&send(&router, get(&authorize_uri("web", &[("login_hint", hint)]))).await, statuses, "invalid_request");
        }
        // The longest that is taken becomes no cookie either.
        let answer = send(&router, get(&authorize_uri("web", &[("login_hint", &"x".repeat(2_048))]))).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            assert!(cookie.len() <= MAX_COOKIE && !cookie.to_str().unwrap().contains("xxxx"));
        }
    }

    async fn c021_too_many_parameters_are_refused(app: TestApp) {
        let params: Vec<String> = (0..300).map(|n| format!("&p{n}=1")).collect();
        let answer = app.get(&format!("{}{}", authorize_uri("web", &[]), params.concat())).await;
        answer.assert_redirected_error("invalid_request");
    }
}

/// 100,000 languages nobody speaks, and five hundred of each huge request: no more than 10 MB are in use
/// afterwards that were not before. A process of its own, so that no other test's memory is counted.
#[test]
fn c019_c020_c021_floods_leave_no_memory_in_use() {
    if env::var_os(MEASURED).is_some() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(be_flooded());
        return;
    }
    let measured = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("floods::c019_c020_c021_floods_leave_no_memory_in_use")
        .env(MEASURED, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&measured.stdout);
    assert!(
        measured.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&measured.stderr)
    );
    assert!(text.contains("floods left"), "nothing was measured: {text}");
}

async fn be_flooded() {
    let app = TestApp::start(Stage::Embedded).await;
    let router = guarded(&app);
    // Everything that is filled once is filled.
    languages(&router, 0..1_000).await;
    huge(&router, 50).await;
    let before = resident_kib();
    languages(&router, 1_000..21_000).await;
    huge(&router, 500).await;
    let left = resident_kib().saturating_sub(before);
    println!("floods left {left} KiB in use");
    assert!(left < MOST_LEFT_KIB, "{left} KiB");
}

/// Five languages a request, none of which was named before.
async fn languages(router: &Router, requests: std::ops::Range<u32>) {
    for n in requests {
        let locales: Vec<String> = (0..5).map(|part| format!("x-{n}-{part}")).collect();
        let locales = locales.join(" ");
        let uri = authorize_uri("web", &[("prompt", "none"), ("ui_locales", &locales)]);
        let answer = send(router, get(&uri)).await;
        answer.assert_redirected_error("login_required");
    }
}

async fn huge(router: &Router, times: u32) {
    let megabyte = "x".repeat(1_000_000);
    let hint = "x".repeat(60 * 1024);
    for _ in 0..times {
        let answer = send(router, post(&[("scope", &megabyte)])).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        let answer = send(router, post(&[("login_hint", &hint)])).await;
        answer.assert_redirected_error("invalid_request");
    }
}

/// What of this process is in memory (proc(5)).
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let mut words = line.unwrap().split_whitespace();
    words.nth(1).unwrap().parse().unwrap()
}
