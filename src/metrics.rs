//! What the process counts and measures, as `/metrics` shows it in text for Prometheus.
//!
//! Every label is a word of ours (`&'static str`): nothing that a request says can make a new time
//! series (security.md 187). Counting allocates only when a combination is met for the first time.

use std::{
    fmt,
    sync::{LazyLock, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::{
    application::ports::Backlog, domain::time::Timestamp, protocol::metadata::paths, telemetry,
};

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Latencies<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Media type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of answers and waits, seconds: from what memory answers to what a client gives up on.
const BOUNDS: [f64; 12] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0,
];

struct Metrics {
    registry: Mutex<Registry>,
    requests: Latencies<2>,
    tokens: Counters<1>,
    token_requests: Counters<2>,
    events: Counters<1>,
    mails: Counters<1>,
    copies: Counters<2>,
    state: Latencies<2>,
    database: Latencies<2>,
    password_wait: Histogram,
    passwords: Counters<1>,
    password_queue: Gauge,
    limited: Counters<2>,
    connections_refused: Counters<1>,
    panics: Counter,
    log_dropped: Counter<u64, AtomicU64>,
    spans: Counters<1>,
    outbox: Family<Labels<1>, Gauge>,
    outbox_oldest: Gauge,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

fn latencies<const N: usize>() -> Latencies<N> {
    Family::new_with_constructor(histogram)
}

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

impl Metrics {
    fn new() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("countersign")),
            requests: latencies(),
            tokens: Family::default(),
            token_requests: Family::default(),
            events: Family::default(),
            mails: Family::default(),
            copies: Family::default(),
            state: latencies(),
            database: latencies(),
            password_wait: histogram(),
            passwords: Family::default(),
            password_queue: Gauge::default(),
            limited: Family::default(),
            connections_refused: Family::default(),
            panics: Counter::default(),
            log_dropped: Counter::default(),
            spans: Family::default(),
            outbox: Family::default(),
            outbox_oldest: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut registry = self.registry();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", build);
        registry.register(
            "request_seconds",
            "Time to answer a request, by endpoint and result",
            self.requests.clone(),
        );
        registry.register(
            "tokens",
            "Access tokens issued, by format",
            self.tokens.clone(),
        );
        registry.register(
            "token_requests",
            "Authenticated token requests, by grant type and result",
            self.token_requests.clone(),
        );
        registry.register(
            "events",
            "Events of the audit trail, by kind: logins, grants, replays, changes",
            self.events.clone(),
        );
        registry.register(
            "mails",
            "Attempts to send a mail, by result: sent, postponed, given up",
            self.mails.clone(),
        );
        registry.register(
            "copies",
            "Look-ups in the copies of the directory, by kind and result",
            self.copies.clone(),
        );
        registry.register(
            "state_seconds",
            "Time of an operation of the state store, by operation and result",
            self.state.clone(),
        );
        registry.register(
            "database_seconds",
            "Time of a statement or the start of a transaction, with the wait for a connection",
            self.database.clone(),
        );
        self.register_the_rest(&mut registry);
    }

    fn register_the_rest(&self, registry: &mut Registry) {
        registry.register(
            "password_wait_seconds",
            "Time a password waits for a hashing thread",
            self.password_wait.clone(),
        );
        registry.register(
            "passwords",
            "Passwords to be hashed, by result",
            self.passwords.clone(),
        );
        registry.register(
            "password_queue",
            "Passwords that wait for a hashing thread now",
            self.password_queue.clone(),
        );
        registry.register(
            "limited",
            "Requests refused as too many, by endpoint and what was counted",
            self.limited.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections closed at once, by which bound there were too many",
            self.connections_refused.clone(),
        );
        registry.register("panics", "Handlers that panicked", self.panics.clone());
        registry.register(
            "log_dropped_lines",
            "Lines of the log that were dropped because its queue was full",
            self.log_dropped.clone(),
        );
        registry.register(
            "spans",
            "Spans of traced requests, by whether the collector got them",
            self.spans.clone(),
        );
        registry.register(
            "outbox",
            "Messages that are not delivered, by whether they wait or were given up; counted up to 1000",
            self.outbox.clone(),
        );
        registry.register(
            "outbox_oldest_seconds",
            "Age of the oldest message that waits to be delivered",
            self.outbox_oldest.clone(),
        );
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All metrics as text.
pub fn render() -> Result<String, fmt::Error> {
    log_lines_dropped(telemetry::dropped_lines());
    let mut text = String::new();
    text::encode(&mut text, &METRICS.registry())?;
    Ok(text)
}

/// The name under which requests for `path` are counted: one of a fixed list.
pub fn endpoint(path: &str) -> &'static str {
    match path {
        paths::AUTHORIZE => "authorize",
        "/oauth2/authorize/resume" => "authorize_resume",
        paths::TOKEN => "token",
        paths::INTROSPECT => "introspect",
        paths::REVOKE => "revoke",
        paths::USERINFO => "userinfo",
        paths::JWKS => "jwks",
        paths::OPENID_CONFIGURATION | paths::OAUTH_METADATA => "discovery",
        "/oauth2/logout" | "/oauth2/logout/confirm" | "/logged-out" => "logout",
        "/login" => "login",
        "/consent" => "consent",
        paths::LOGIN | paths::REFRESH | paths::LOGOUT_API | paths::ME => "json_login",
        paths::CHECK | paths::ACCESS_EVALUATION | paths::ACCESS_EVALUATIONS => "authorize_check",
        _ if path.starts_with("/static/") => "static",
        _ => "other",
    }
}

fn answer(status: u16) -> &'static str {
    match status {
        200..300 => "ok",
        300..400 => "redirected",
        429 => "limited",
        400..500 => "refused",
        503 => "unavailable",
        _ => "failed",
    }
}

/// A request to `path` was answered with `status` after `time`.
pub fn request(path: &str, status: u16, time: Duration) {
    let labels = [("endpoint", endpoint(path)), ("result", answer(status))];
    let family = &METRICS.requests;
    family.get_or_create(&labels).observe(time.as_secs_f64());
}

/// An access token of this format was made.
pub fn token(format: &'static str) {
    METRICS.tokens.get_or_create(&[("format", format)]).inc();
}

/// A token request of this grant type came to its end.
pub fn token_request<T, E>(grant: &'static str, result: &Result<T, E>) {
    let labels = [("grant", grant), ("result", outcome(result))];
    METRICS.token_requests.get_or_create(&labels).inc();
}

/// An event of the audit trail happened.
pub fn event(kind: &'static str) {
    METRICS.events.get_or_create(&[("kind", kind)]).inc();
}

/// An attempt to send a mail came to its end.
pub fn mail(result: &'static str) {
    METRICS.mails.get_or_create(&[("result", result)]).inc();
}

/// A request was one too many.
pub fn limited(endpoint: &'static str, policy: &'static str) {
    let labels = [("endpoint", endpoint), ("policy", policy)];
    METRICS.limited.get_or_create(&labels).inc();
}

/// A connection was one too many, by this bound.
pub fn connection_refused(bound: &'static str) {
    let family = &METRICS.connections_refused;
    family.get_or_create(&[("bound", bound)]).inc();
}

/// Where the record came from that a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The node had a copy.
    Hit,
    /// The database was asked.
    Miss,
}

/// A counter at hand: whoever counts with every request need not look it up.
pub struct Tally(Counter);

impl Tally {
    /// One more.
    pub fn count(&self) {
        self.0.inc();
    }
}

/// Counts look-ups of this kind and result in the copies of the directory.
pub fn copies(kind: &'static str, lookup: Lookup) -> Tally {
    let result = match lookup {
        Lookup::Hit => "hit",
        Lookup::Miss => "miss",
    };
    let labels = [("kind", kind), ("result", result)];
    Tally(METRICS.copies.get_or_create(&labels).clone())
}

/// Measures an operation of the state store.
pub async fn state<T, E>(
    operation: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timed(&METRICS.state, ("state store", operation), work).await
}

/// Measures what the database does.
pub async fn database<T, E>(
    operation: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timed(&METRICS.database, ("database", operation), work).await
}

async fn timed<T, E>(
    family: &Latencies<2>,
    (what, operation): (&'static str, &'static str),
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let began = tokio::time::Instant::now();
    let span = telemetry::span(what, operation);
    let result = work.await;
    span.end(&result);
    let labels = [("operation", operation), ("result", outcome(&result))];
    family
        .get_or_create(&labels)
        .observe(began.elapsed().as_secs_f64());
    result
}

fn outcome<T, E>(result: &Result<T, E>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(_) => "failed",
    }
}

/// A password that waits for a hashing thread, as long as this lives.
pub struct WaitingPassword(tokio::time::Instant);

impl WaitingPassword {
    /// It begins to wait.
    pub fn begin() -> Self {
        METRICS.password_queue.inc();
        Self(tokio::time::Instant::now())
    }
}

impl Drop for WaitingPassword {
    fn drop(&mut self) {
        METRICS.password_queue.dec();
        let waited = self.0.elapsed().as_secs_f64();
        METRICS.password_wait.observe(waited);
    }
}

/// A password was hashed, or could not be.
pub fn password<T, E>(result: &Result<T, E>) {
    let labels = [("result", outcome(result))];
    METRICS.passwords.get_or_create(&labels).inc();
}

/// How far delivery is behind at this moment; -1 where the database does not tell.
pub fn outbox(backlog: Option<(Backlog, Timestamp)>) {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let (pending, dead, oldest) = match backlog {
        Some((backlog, now)) => (
            number(backlog.pending),
            number(backlog.dead),
            backlog
                .oldest
                .map_or(0, |oldest| number(now.since(oldest).as_secs())),
        ),
        None => (-1, -1, -1),
    };
    for (state, count) in [("pending", pending), ("dead", dead)] {
        METRICS.outbox.get_or_create(&[("state", state)]).set(count);
    }
    METRICS.outbox_oldest.set(oldest);
}

/// Spans were `sent` to the collector, or `dropped` because it was away, slow or overrun.
pub fn spans(result: &'static str, count: u64) {
    METRICS
        .spans
        .get_or_create(&[("result", result)])
        .inc_by(count);
}

/// A handler panicked.
pub fn panicked() {
    METRICS.panics.inc();
}

/// So many lines of the log have been dropped since the start.
fn log_lines_dropped(total: u64) {
    METRICS
        .log_dropped
        .inner()
        .fetch_max(total, std::sync::atomic::Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c187_no_request_can_make_a_new_time_series() {
        for n in 0..1000_u16 {
            let path = format!("/{n}/\"\n\u{202e}{}", "x".repeat(usize::from(n)));
            assert_eq!(endpoint(&path), "other");
            request(&path, n, Duration::from_millis(1));
        }
        let text = render().unwrap();
        let series =
            |line: &&str| line.starts_with("countersign_request_seconds_count{endpoint=\"other\"");
        assert!(text.lines().filter(series).count() <= 6, "{text}");
        assert!(!text.contains('\u{202e}'));
    }

    #[test]
    fn the_count_of_dropped_lines_never_falls() {
        log_lines_dropped(7);
        log_lines_dropped(3);
        let text = render().unwrap();
        assert!(
            text.contains("countersign_log_dropped_lines_total 7"),
            "{text}"
        );
    }
}
