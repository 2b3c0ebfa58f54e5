//! One user with a browser, over and over: sign in, authorize, redeem, refresh, introspect, revoke.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use reqwest::{Client, Response, StatusCode, redirect::Policy};
use serde_json::Value;
use tokio::time::Instant;

use super::rules::{Book, Granted};
use crate::support::app::{
    CALLBACK, PASSWORD, SECRET, USERNAME, VERIFIER, authorize_uri, encode, hidden_fields, param,
};

/// Retries of a refresh that got no answer must come within its grace (10 s).
const GRACE: Duration = Duration::from_secs(7);
/// Revoked tokens that are asked about again and again.
const REMEMBERED: usize = 24;

/// Whom to ask.
#[derive(Clone)]
pub(super) struct Target {
    /// Base addresses of all nodes; the first is the issuer's.
    pub(super) nodes: Vec<String>,
    pub(super) issuer: String,
}

struct Worker {
    target: Target,
    book: Arc<Book>,
    http: Client,
    dead: VecDeque<Granted>,
}

pub(super) async fn work(target: Target, book: Arc<Book>, at: usize) {
    let client = if at.is_multiple_of(2) { "web" } else { "other" };
    let mut worker = Worker {
        target,
        book,
        http: browser(),
        dead: VecDeque::new(),
    };
    while !worker.book.is_over() {
        if worker.round(client).await.is_none() {
            // No answer, or not now: the fault is at work.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// True once in so many times.
fn chance(one_in: u8) -> bool {
    uuid::Uuid::new_v4().as_bytes()[1].is_multiple_of(one_in)
}

fn browser() -> Client {
    Client::builder()
        .redirect(Policy::none())
        .cookie_store(true)
        .timeout(Duration::from_secs(8))
        .build()
        .unwrap()
}

impl Worker {
    fn node(&self) -> &str {
        let byte = usize::from(uuid::Uuid::new_v4().as_bytes()[0]);
        &self.target.nodes[byte % self.target.nodes.len()]
    }

    /// The answer, if there is one that is not 503. Anything else that begins with 5 is a fault of ours.
    async fn answer(&self, what: &str, request: reqwest::RequestBuilder) -> Option<Response> {
        self.book.operations.fetch_add(1, Ordering::Relaxed);
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => None,
            Ok(answer) if answer.status().is_server_error() => {
                let status = answer.status();
                let body = answer.text().await.unwrap_or_default();
                self.book.violated(format!("{what}: {status} {body}"));
                None
            }
            Ok(answer) => Some(answer),
            Err(_) => {
                self.book.unanswered.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    async fn form(
        &self,
        client: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Option<(StatusCode, String)> {
        let request = self
            .http
            .post(format!("{}{path}", self.node()))
            .basic_auth(client, Some(SECRET))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(fields));
        let answer = self.answer(path, request).await?;
        let status = answer.status();
        Some((status, answer.text().await.ok()?))
    }

    /// A code of the session, signing in where there is none.
    async fn code(&self, client: &str) -> Option<String> {
        let base = &self.target.nodes[0];
        let uri = authorize_uri(client, &[("scope", "openid offline_access")]);
        let mut url = format!("{base}{uri}");
        for _ in 0..8 {
            let answer = self.answer("authorize", self.http.get(&url)).await?;
            if answer.status() == StatusCode::SEE_OTHER {
                let location = answer.headers().get("location")?.to_str().ok()?.to_owned();
                if location.starts_with(CALLBACK) {
                    return param(&location, "code");
                }
                url = format!(
                    "{base}{}",
                    location.trim_start_matches(&*self.target.issuer)
                );
                continue;
            }
            let page = answer.text().await.ok()?;
            let path = if page.contains("action=\"/login") {
                "/login"
            } else if page.contains("action=\"/consent") {
                "/consent"
            } else {
                return None;
            };
            let mut fields = hidden_fields(&page);
            let more: &[(&str, &str)] = if path == "/login" {
                &[("username", USERNAME), ("password", PASSWORD)]
            } else {
                &[("decision", "approve")]
            };
            fields.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            let request = self
                .http
                .post(format!("{base}{path}"))
                .header("origin", &self.target.issuer)
                .header("sec-fetch-site", "same-origin")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(encode(&fields));
            let answer = self.answer(path, request).await?;
            let location = answer.headers().get("location")?.to_str().ok()?.to_owned();
            if location.starts_with(CALLBACK) {
                return param(&location, "code");
            }
            url = format!(
                "{base}{}",
                location.trim_start_matches(&*self.target.issuer)
            );
        }
        None
    }

    /// One turn of everything. None where a fault came between: nothing is promised of what it cut.
    async fn round(&mut self, client: &'static str) -> Option<()> {
        let losses = self.book.losses();
        let code = self.code(client).await?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let (status, body) = self.form(client, "/oauth2/token", &fields).await?;
        if status != StatusCode::OK {
            if losses == self.book.losses() {
                self.book.violated(format!("a fresh code: {status} {body}"));
            }
            return None;
        }
        let mut granted = granted(client, &body, losses);
        for _ in 0..2 {
            self.check(&granted).await?;
            self.refresh(&mut granted).await?;
        }
        self.check(&granted).await?;
        if chance(4) {
            self.replay(&fields, &mut granted).await;
        } else if chance(2) {
            self.revoke(&mut granted, true).await;
        } else {
            self.revoke(&mut granted, false).await;
        }
        self.check(&granted).await?;
        self.dead.push_back(granted);
        if self.dead.len() > REMEMBERED {
            self.dead.pop_front();
        }
        for old in &self.dead {
            self.check(old).await?;
        }
        Some(())
    }

    /// Asks a node about the access token, and holds the answer against what was promised.
    async fn check(&self, granted: &Granted) -> Option<()> {
        let had_to_be_dead = granted.must_be_dead();
        let fields = [("token", granted.access.as_str())];
        let (_, body) = self
            .form(granted.client, "/oauth2/introspect", &fields)
            .await?;
        let says: Value = serde_json::from_str(&body).ok()?;
        let is_active = says["active"] == true;
        if is_active && had_to_be_dead {
            self.book
                .violated(format!("a revoked token of {} is active", granted.client));
        }
        if !is_active && granted.must_be_alive(&self.book) {
            self.book.violated(format!(
                "a good token of {} is inactive: {body}",
                granted.client
            ));
        }
        Some(())
    }

    /// Refreshes, again where no answer came: within the grace that must work.
    async fn refresh(&self, granted: &mut Granted) -> Option<()> {
        let began = Instant::now();
        let token = granted.refresh.clone();
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.as_str()),
        ];
        loop {
            let losses = self.book.losses();
            let Some((status, body)) = self.form(granted.client, "/oauth2/token", &fields).await
            else {
                if began.elapsed() > GRACE || self.book.is_over() {
                    granted.unsure = true;
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            if status == StatusCode::OK {
                let next = self::granted(granted.client, &body, losses);
                granted.access = next.access;
                granted.refresh = next.refresh;
                granted.losses = losses;
                granted.made = next.made;
                return Some(());
            }
            if granted.must_be_alive(&self.book) && began.elapsed() < GRACE {
                self.book.violated(format!(
                    "a refresh within its grace ({:?}): {status} {body}",
                    began.elapsed()
                ));
            }
            granted.unsure = true;
            return None;
        }
    }

    async fn revoke(&self, granted: &mut Granted, whole: bool) {
        let token = if whole {
            &granted.refresh
        } else {
            &granted.access
        };
        let fields = [("token", token.as_str())];
        match self.form(granted.client, "/oauth2/revoke", &fields).await {
            Some((status, _)) if status == StatusCode::OK => {
                granted.access_revoked = true;
                granted.revoked |= whole;
            }
            Some((status, body)) => {
                self.book.violated(format!("a revocation: {status} {body}"));
            }
            None => granted.unsure = true,
        }
    }

    /// The code once more: it never works, and it ends what it made.
    async fn replay(&self, fields: &[(&str, &str)], granted: &mut Granted) {
        match self.form(granted.client, "/oauth2/token", fields).await {
            Some((status, _)) if status == StatusCode::BAD_REQUEST => granted.revoked = true,
            Some((status, _)) => self.book.violated(format!("a code twice: {status}")),
            None => granted.unsure = true,
        }
    }
}

fn granted(client: &'static str, body: &str, losses: u64) -> Granted {
    let tokens: Value = serde_json::from_str(body).unwrap();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    Granted {
        client,
        access: text("access_token"),
        refresh: text("refresh_token"),
        losses,
        access_revoked: false,
        revoked: false,
        unsure: false,
        made: Instant::now(),
    }
}
