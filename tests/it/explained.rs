//! Errors that explain: under the trace id the log has the check, the client, what was received and
//! what is registered, and never a secret, a code or a token.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::{body::Body, http::Request};
use countersign::{config::LogFormat, telemetry};
use serde_json::Value;
use tracing::subscriber::DefaultGuard;

use super::support::app::{
    Browser, CALLBACK, PASSWORD, SECRET, TestApp, USERNAME, VERIFIER, authorize_uri, basic, encode,
    form, on_both,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// What is logged as long as this lives.
struct Log {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn open() -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = telemetry::subscriber(LogFormat::Json, move || writer.clone());
        Self {
            lines,
            _guard: crate::support::log::listen(subscriber),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }

    /// The last line with this message.
    fn line(&self, message: &str) -> Value {
        let text = self.text();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut found = lines.filter(|line| line["message"] == message);
        let last = found.next_back();
        last.unwrap_or_else(|| panic!("no {message:?} in {text}"))
    }

    /// Asserts the fields of a refusal, under the trace id of its request.
    fn assert(
        &self,
        message: &str,
        client: &str,
        (check, received, registered): (&str, &str, &str),
    ) {
        let line = self.line(message);
        let has = |name: &str, part: &str| line[name].as_str().unwrap_or_default().contains(part);
        assert_eq!(line["client"], client, "{line}");
        assert!(
            has("check", check) && has("received", received) && has("registered", registered),
            "{line}"
        );
        assert_eq!(line["trace_id"], TRACE, "{line}");
    }
}

/// The guard names each request, so the log of the whole provider is looked at.
fn behind_the_guard(mut app: TestApp) -> TestApp {
    app.router = app.app.guarded_router(&super::guard::server_config());
    app
}

async fn authorize(app: &TestApp, extra: &[(&str, &str)]) {
    let request = Request::get(authorize_uri("web", extra)).header("x-request-id", TRACE);
    app.send(request.body(Body::empty()).unwrap()).await;
}

async fn token(app: &TestApp, (client, secret): (&str, &str), fields: &[(&str, &str)]) {
    let request = form("/oauth2/token", fields)
        .header("x-request-id", TRACE)
        .header("authorization", basic(client, secret));
    app.send(request.body(Body::from(encode(fields))).unwrap())
        .await;
}

const REFUSED: &str = "request refused";
const UNANSWERABLE: &str = "authorization request cannot be answered";

on_both! {
    async fn a_refused_authorization_request_says_what_was_received_and_what_is_registered(app: TestApp) {
        let app = behind_the_guard(app);
        let log = Log::open();
        authorize(&app, &[("redirect_uri", "https://rp.example/other")]).await;
        log.assert(UNANSWERABLE, "web", ("redirect_uri", "https://rp.example/other", CALLBACK));
        authorize(&app, &[("client_id", "nobody")]).await;
        log.assert(UNANSWERABLE, "nobody", ("unknown", "nobody", ""));
        for (extra, expected) in [
            (("scope", "unknown other"), ("scope", "other unknown", "openid")),
            (("response_type", "token"), ("response_type", "token", "code")),
            (("response_mode", "jwt"), ("response_mode", "jwt", "form_post")),
            (("prompt", "create"), ("prompt", "create", "select_account")),
            (("max_age", "-1"), ("max_age", "-1", "")),
            (("resource", "https://unknown.example"), ("resource", "https://unknown.example", "https://api.example")),
        ] {
            authorize(&app, &[extra]).await;
            log.assert(REFUSED, "web", expected);
        }
    }

    async fn a_refused_token_request_says_what_was_received_and_what_is_registered(app: TestApp) {
        let app = behind_the_guard(app);
        app.change_client("other", |client| client.grant_types.clear()).await;
        let mut browser = Browser::new(&app);
        let code = browser.code("web", &[]).await;
        let log = Log::open();
        let grant = ("grant_type", "authorization_code");
        let redeem = |uri: &'static str| [grant, ("code", code.as_str()), ("redirect_uri", uri), ("code_verifier", VERIFIER)];
        token(&app, ("web", SECRET), &redeem("https://rp.example/other")).await;
        log.assert(REFUSED, "web", ("redirect_uri", "https://rp.example/other", CALLBACK));
        token(&app, ("post", SECRET), &[("grant_type", "client_credentials")]).await;
        log.assert(REFUSED, "post", ("method", "client_secret_basic", "client_secret_post"));
        token(&app, ("service", "wrong"), &[("grant_type", "client_credentials")]).await;
        log.assert(REFUSED, "service", ("secret", "", ""));
        token(&app, ("web", SECRET), &[("grant_type", "password")]).await;
        log.assert(REFUSED, "web", ("grant_type", "password", "authorization_code"));
        token(&app, ("other", SECRET), &[("grant_type", "client_credentials")]).await;
        log.assert(REFUSED, "other", ("grant_type", "client_credentials", ""));
        token(&app, ("service", SECRET), &[("grant_type", "client_credentials"), ("resource", "https://evil.example")]).await;
        log.assert(REFUSED, "service", ("resource", "https://evil.example", "https://api.example"));
        token(&app, ("web", SECRET), &redeem(CALLBACK)).await;
        log.assert(REFUSED, "web", ("code", "", ""));
        for secret in [code.as_str(), SECRET, VERIFIER] {
            assert!(!log.text().contains(secret), "{}", log.text());
        }
    }

    async fn c176_a_value_in_the_log_is_bounded_and_encoded(app: TestApp) {
        let app = behind_the_guard(app);
        let log = Log::open();
        authorize(&app, &[("redirect_uri", "https://rp.example/\u{1b}[31m\n{}")]).await;
        assert!(!log.text().contains('\u{1b}'));
        let endless = format!("https://rp.example/\"}},\"client\":\"{}", "x".repeat(1_900));
        authorize(&app, &[("redirect_uri", &endless)]).await;
        let line = log.line(UNANSWERABLE);
        let received = line["received"].as_str().unwrap();
        assert!(received.starts_with("https://rp.example/") && received.len() < 400, "{line}");
        assert_eq!(line["client"], "web", "{line}");
    }

    async fn logins_that_succeed_fail_or_are_limited_are_lines_with_user_and_client(app: TestApp) {
        let app = behind_the_guard(app);
        let log = Log::open();
        for (attempt, password, message) in [
            (1, PASSWORD, "login succeeded"),
            (1, "wrong", "login failed"),
            (12, "wrong", "login limited"),
        ] {
            for _ in 0..attempt {
                let mut browser = Browser::new(&app);
                let location = browser.authorize("web", &[]).await.location().to_owned();
                let page = browser.get(&location).await.body;
                browser.log_in(&page, USERNAME, password).await;
            }
            let line = log.line(message);
            assert_eq!((line["user"].as_str(), line["client"].as_str()), (Some(app.user.as_str()), Some("web")), "{line}");
            assert!(line["trace_id"].is_string(), "{line}");
        }
        assert!(!log.text().contains(PASSWORD));
    }
}
