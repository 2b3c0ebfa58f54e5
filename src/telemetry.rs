//! The log: one line per event on standard error, JSON in production, with the trace id that the
//! error page and the audit event carry too.
//!
//! Lines are handed to a thread of their own through a bounded queue: a request never waits for the
//! log. What does not fit is dropped and counted.
//!
//! Whatever a request said is encoded: it cannot begin a line of its own nor paint the terminal.
//! Queries, bodies and authorization headers are never logged.

mod context;
mod line;
mod otlp;
mod span;

use std::{
    io::{self, BufWriter},
    sync::{Arc, OnceLock},
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer as _, Registry, filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub use self::{
    context::Incoming,
    otlp::StartError,
    span::{Answered, Span, Tracer, propagate, span},
};
use self::{context::Parent, line::Line, span::RequestSpan};
use crate::config::{LogConfig, LogFormat};

/// Lines that may wait to be written: a few megabytes at most.
const QUEUED_LINES: usize = 16 * 1024;

tokio::task_local! {
    /// The request that a task works for.
    static TRACE: Request;
}

/// A request, as far as log and traces are concerned.
pub struct Request {
    id: Arc<str>,
    parent: Option<Parent>,
    span: Option<Arc<RequestSpan>>,
}

impl Request {
    /// A request that says this about itself, traced if `tracer` decides so.
    pub fn begin(incoming: &Incoming, tracer: Option<&Arc<Tracer>>) -> Self {
        Self {
            id: Arc::clone(&incoming.id),
            parent: incoming.parent.clone(),
            span: tracer.and_then(|tracer| tracer.begin(incoming)),
        }
    }

    /// Does `work` for this request: every line of the log carries its id, and what is waited for
    /// becomes a span of it.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        TRACE.scope(self, work).await
    }
}

/// The request that this task works for was answered.
pub fn answered(answered: Answered<'_>) {
    let _ = TRACE.try_with(|request| {
        if let Some(span) = &request.span {
            span.end(&request.id, answered);
        }
    });
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

/// What one write to standard error carries at most, bytes. The thread of the log flushes whenever its
/// queue is empty, so that a lone line never waits and a crowd shares a write.
const SHARED_WRITE: usize = 64 * 1024;

/// Sends events to standard error from now on.
pub fn init(config: &LogConfig) -> Result<Log, TelemetryError> {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUED_LINES)
        .thread_name("log")
        .finish(BufWriter::with_capacity(SHARED_WRITE, io::stderr()));
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

/// The same lines to another writer, for tests of what the log says.
pub fn subscriber<W>(format: LogFormat, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Registry::default().with(layer(format, writer))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use super::*;

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

    fn request() -> Request {
        Request {
            id: "abc".into(),
            parent: None,
            span: None,
        }
    }

    #[test]
    fn a_line_carries_the_trace_id_of_its_request() {
        let text = logged(LogFormat::Json, || {
            TRACE.sync_scope(request(), || tracing::info!(count = 3, "done"));
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["trace_id"], "abc");
        assert_eq!(line["message"], "done");
        assert_eq!(line["count"], 3);
        let text = logged(LogFormat::Compact, || {
            TRACE.sync_scope(request(), || tracing::info!("done"));
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
}
