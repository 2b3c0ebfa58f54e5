//! The log: one line per event on standard error, JSON in production, with the trace id that the
//! error page and the audit event carry too.
//!
//! Lines are handed to a thread of their own through a bounded queue: a request never waits for the
//! log. What does not fit is dropped and counted.
//!
//! Whatever a request said is encoded: it cannot begin a line of its own nor paint the terminal.
//! Queries, bodies and authorization headers are never logged.

mod line;

use std::{
    io,
    sync::{Arc, OnceLock},
};

use http::{HeaderMap, HeaderValue};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer as _, Registry, filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use self::line::Line;
use crate::{
    application::ports::Rng,
    config::{LogConfig, LogFormat},
};

/// Lines that may wait to be written: a few megabytes at most.
const QUEUED_LINES: usize = 16 * 1024;

tokio::task_local! {
    /// The trace id of the request that a task works for.
    static TRACE: Arc<str>;
}

/// Does `work` for the request of this trace id: every line of it carries the id.
pub async fn in_request<T>(trace: Arc<str>, work: impl Future<Output = T>) -> T {
    TRACE.scope(trace, work).await
}

/// Counts what the process's log drops.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Lines that the process's log has dropped so far because its queue was full.
pub fn dropped_lines() -> u64 {
    let dropped = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
    u64::try_from(dropped).unwrap_or(u64::MAX)
}

/// The log as long as it is wanted: what waits is written when this is dropped.
pub struct Log {
    _writer: WorkerGuard,
    dropped: ErrorCounter,
}

impl Log {
    /// Lines that were dropped so far because the queue was full.
    pub fn dropped_lines(&self) -> usize {
        self.dropped.dropped_lines()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let dropped = self.dropped_lines();
        if dropped > 0 {
            tracing::warn!(dropped, "lines of the log were dropped: the queue was full");
        }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.filter cannot be read")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else logs already.
    #[error("the log is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends events to standard error from now on.
pub fn init(config: &LogConfig) -> Result<Log, TelemetryError> {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUED_LINES)
        .thread_name("log")
        .finish(io::stderr());
    let dropped = writer.error_counter();
    let _ = DROPPED.set(dropped.clone());
    let filter: Targets = config.filter.parse()?;
    Registry::default()
        .with(layer(config.format, writer).with_filter(filter))
        .try_init()?;
    Ok(Log {
        _writer: guard,
        dropped,
    })
}

type BoxedLayer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

fn layer<W>(format: LogFormat, writer: W) -> BoxedLayer
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .event_format(Line(format))
        .boxed()
}

/// The identifier of a request: the trace id of `traceparent` (W3C Trace Context section 3.2), else
/// `x-request-id` if it is a plain word, else a fresh one.
pub fn trace_id(headers: &HeaderMap, rng: &dyn Rng) -> String {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let given = text("traceparent")
        .and_then(parent_trace)
        .or_else(|| text("x-request-id").filter(|id| is_plain(id)));
    if let Some(id) = given {
        return id.to_owned();
    }
    let mut random = [0_u8; 16];
    rng.fill(&mut random);
    uuid::Uuid::from_bytes(random).simple().to_string()
}

/// `00-<32 hexadecimal digits>-<16>-<2>`; neither identifier may be all zeros.
fn parent_trace(value: &str) -> Option<&str> {
    let mut parts = value.split('-');
    let mut part = |length: usize| {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        parts
            .next()
            .filter(|part| part.len() == length && part.bytes().all(hex))
    };
    let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2));
    let is_zero = |text: &str| text.bytes().all(|b| b == b'0');
    let is_valid = version != "ff" && flags.is_some() && !is_zero(trace) && !is_zero(parent);
    is_valid.then_some(trace)
}

fn is_plain(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::infrastructure::random::SystemRng;

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

    fn logged(format: LogFormat, event: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = Registry::default().with(layer(format, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, event);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn c176_what_a_request_said_stays_one_encoded_record() {
        let hostile = "x\r\n\u{1b}[31m{\"level\":\"ERROR\"}\u{202e}";
        for format in [LogFormat::Json, LogFormat::Compact] {
            let text = logged(format, || {
                tracing::info!(name = %hostile, other = hostile, "refused {hostile}");
            });
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(!text.contains(['\r', '\u{1b}', '\u{202e}']), "{text}");
            if format == LogFormat::Json {
                let line: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(line["name"], hostile);
                assert_eq!(line["other"], hostile);
                assert_eq!(line["message"], format!("refused {hostile}"));
            }
        }
    }

    #[test]
    fn a_line_carries_the_trace_id_of_its_request() {
        let text = logged(LogFormat::Json, || {
            TRACE.sync_scope("abc".into(), || tracing::info!(count = 3, "done"));
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["trace_id"], "abc");
        assert_eq!(line["message"], "done");
        assert_eq!(line["count"], 3);
        let text = logged(LogFormat::Compact, || {
            TRACE.sync_scope("abc".into(), || tracing::info!("done"));
        });
        assert!(text.ends_with(" done trace_id=abc\n"), "{text}");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = io::Error::other("the cause");
        let error = crate::application::Failure::Unavailable("the thing", Some(Box::new(cause)));
        let text = logged(LogFormat::Compact, || {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed");
        });
        assert!(
            text.contains("error=the thing is unavailable: the cause"),
            "{text}"
        );
    }

    fn id_of(name: &'static str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::try_from(value).unwrap());
        trace_id(&headers, &SystemRng)
    }

    #[test]
    fn a_valid_traceparent_names_the_request() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let header = format!("00-{trace}-b7ad6b7169203331-01");
        assert_eq!(id_of("traceparent", &header), trace);
        for header in [
            format!("ff-{trace}-b7ad6b7169203331-01"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
            format!("00-{trace}-b7ad6b7169203331"),
        ] {
            assert!(
                !id_of("traceparent", &header).eq_ignore_ascii_case(trace),
                "{header}"
            );
        }
    }

    #[test]
    fn a_request_id_is_taken_over_only_if_it_is_a_plain_word() {
        assert_eq!(id_of("x-request-id", "edge-7.42_a"), "edge-7.42_a");
        for hostile in ["a b", "<script>", "\"", "", &"a".repeat(65)] {
            let id = id_of("x-request-id", hostile);
            assert_eq!(id.len(), 32, "{hostile}");
            assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
}
