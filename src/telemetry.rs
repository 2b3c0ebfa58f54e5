//! The log: one line per event on standard error, JSON in production, with the trace id that the
//! error page and the audit event carry too.
//!
//! Whatever a request said is encoded: it cannot begin a line of its own nor paint the terminal.
//! Queries, bodies and authorization headers are never logged.

use std::{fmt, io};

use http::{HeaderMap, HeaderValue};
use tracing_subscriber::{
    Layer as _, Registry,
    field::MakeExt as _,
    filter::Targets,
    fmt::{
        MakeWriter,
        format::{Writer, debug_fn},
    },
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    application::ports::Rng,
    config::{LogConfig, LogFormat},
};

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
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let layer = layer(config.format, io::stderr);
    let filter: Targets = config.filter.parse()?;
    Registry::default()
        .with(layer.with_filter(filter))
        .try_init()?;
    Ok(())
}

type BoxedLayer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

fn layer<W>(format: LogFormat, writer: W) -> BoxedLayer
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    match format {
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
        LogFormat::Compact => layer
            .fmt_fields(debug_fn(write_field).delimited(" "))
            .compact()
            .fmt_fields(debug_fn(write_field).delimited(" "))
            .boxed(),
    }
}

fn write_field(
    writer: &mut Writer<'_>,
    field: &tracing::field::Field,
    value: &dyn fmt::Debug,
) -> fmt::Result {
    let text = encoded(&format!("{value:?}"));
    match field.name() {
        "message" => writer.write_str(&text),
        name => write!(writer, "{name}={text}"),
    }
}

/// Control characters, and those that reverse the direction of writing, as `\u{…}`.
fn encoded(text: &str) -> String {
    let is_harmful =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
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
                let span = tracing::info_span!("request", path = %hostile);
                let _entered = span.enter();
                tracing::info!(name = %hostile, other = hostile, "refused {hostile}");
            });
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(!text.contains('\r') && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn a_json_line_carries_the_trace_id_of_its_request() {
        let text = logged(LogFormat::Json, || {
            let span = tracing::info_span!("request", trace_id = "abc");
            let _entered = span.enter();
            tracing::info!("done");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["span"]["trace_id"], "abc");
        assert_eq!(line["message"], "done");
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
