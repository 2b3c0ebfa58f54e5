//! What a caller says about the trace that its request belongs to (W3C Trace Context, Level 1), and
//! the identifier that log, error page and audit event share.

use std::{str::FromStr as _, sync::Arc};

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use crate::application::ports::Rng;

/// Characters of `tracestate` at most (section 3.3.1.5 asks for 512 at least).
const MOST_STATE: usize = 512;

/// What a request says about its trace.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The identifier of the request: the trace id of `traceparent`, else `x-request-id` if it is a
    /// plain word, else a fresh trace id.
    pub id: Arc<str>,
    /// The span that asked, if `traceparent` names one.
    pub(super) parent: Option<Parent>,
}

/// The caller's span.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) is_sampled: bool,
    pub(super) state: TraceState,
}

impl Parent {
    /// The caller's span, which we add nothing to.
    pub(super) fn unsampled(&self) -> SpanContext {
        let (flags, state) = (TraceFlags::default(), self.state.clone());
        SpanContext::new(self.trace, self.span, flags, true, state)
    }
}

impl Incoming {
    /// Reads `traceparent`, `tracestate` and `x-request-id`.
    pub fn read(headers: &HeaderMap, rng: &dyn Rng) -> Self {
        if let Some((id, parent)) = single(headers, "traceparent").and_then(parent) {
            // A state is heeded only next to a valid parent (section 4.3).
            let state = tracestate(headers);
            return Self {
                id: id.into(),
                parent: Some(Parent { state, ..parent }),
            };
        }
        let given = single(headers, "x-request-id").filter(|id| is_plain(id));
        Self {
            id: given.map_or_else(|| fresh(rng), Into::into),
            parent: None,
        }
    }

    /// The trace that the identifier names, unless it is a word of the caller's.
    pub(super) fn trace(&self) -> Option<TraceId> {
        is_trace(&self.id)
            .then(|| TraceId::from_hex(&self.id).ok())
            .flatten()
    }
}

/// Which of two would it be? One that comes twice counts as absent.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn fresh(rng: &dyn Rng) -> Arc<str> {
    let mut random = [0_u8; 16];
    rng.fill(&mut random);
    let id = uuid::Uuid::from_bytes(random).simple();
    let mut text = [0; uuid::fmt::Simple::LENGTH];
    Arc::from(&*id.encode_lower(&mut text))
}

/// `00-<32 hexadecimal digits>-<16>-<2>`; neither identifier may be all zeros. A later version may
/// say more behind a dash (section 3.2.4).
fn parent(value: &str) -> Option<(&str, Parent)> {
    let mut parts = value.split('-');
    let mut part = |length: usize| {
        parts
            .next()
            .filter(|part| part.len() == length && is_hex(part))
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let says_more = parts.next().is_some();
    if version == "ff" || (version == "00" && says_more) || is_zero(trace) || is_zero(span) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let parent = Parent {
        trace: TraceId::from_hex(trace).ok()?,
        span: SpanId::from_hex(span).ok()?,
        is_sampled: flags.is_sampled(),
        state: TraceState::NONE,
    };
    Some((trace, parent))
}

/// Several headers are one list (section 3.3.1). What cannot be read is dropped, never the parent.
fn tracestate(headers: &HeaderMap) -> TraceState {
    let values = headers.get_all("tracestate").iter();
    let parts: Option<Vec<&str>> = values.map(|value| value.to_str().ok()).collect();
    parts
        .map(|parts| parts.join(","))
        .filter(|text| !text.is_empty() && text.len() <= MOST_STATE)
        // The library takes a member without a name.
        .filter(|text| text.split(',').all(|it| !it.trim().starts_with('=')))
        .and_then(|text| TraceState::from_str(&text).ok())
        .unwrap_or(TraceState::NONE)
}

/// Tells a server that we ask which trace the request belongs to.
pub(super) fn write(headers: &mut HeaderMap, context: &SpanContext) {
    let (trace, span) = (context.trace_id(), context.span_id());
    let parent = format!("00-{trace}-{span}-{:02x}", context.trace_flags().to_u8());
    if let Ok(parent) = HeaderValue::try_from(parent) {
        headers.insert("traceparent", parent);
    }
    let state = context.trace_state().header();
    if let (false, Ok(state)) = (state.is_empty(), HeaderValue::try_from(state.as_str())) {
        headers.insert("tracestate", state);
    }
}

/// Whether an identifier is that of a trace.
pub(super) fn is_trace(id: &str) -> bool {
    id.len() == 32 && is_hex(id) && !is_zero(id)
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|b| b == b'0')
}

fn is_plain(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::infrastructure::random::SystemRng;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn read(pairs: &[(&'static str, &str)]) -> Incoming {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::try_from(*value).unwrap());
        }
        Incoming::read(&headers, &SystemRng)
    }

    #[test]
    fn a_valid_traceparent_names_the_request() {
        let header = format!("00-{TRACE}-b7ad6b7169203331-01");
        let incoming = read(&[("traceparent", &header)]);
        assert_eq!(&*incoming.id, TRACE);
        let parent = incoming.parent.unwrap();
        assert_eq!(parent.span.to_string(), "b7ad6b7169203331");
        assert!(parent.is_sampled);
        let later = format!("01-{TRACE}-b7ad6b7169203331-00-more");
        let incoming = read(&[("traceparent", &later)]);
        assert_eq!(&*incoming.id, TRACE);
        assert!(!incoming.parent.unwrap().is_sampled);
    }

    #[test]
    fn a_traceparent_that_is_not_one_is_ignored_with_its_state() {
        for header in [
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-b7ad6b7169203331"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
        ] {
            let incoming = read(&[("traceparent", &header), ("tracestate", "a=b")]);
            assert!(!incoming.id.eq_ignore_ascii_case(TRACE), "{header}");
            assert!(incoming.parent.is_none(), "{header}");
            assert!(incoming.trace().is_some(), "a fresh one");
        }
        let one = format!("00-{TRACE}-b7ad6b7169203331-01");
        let twice = read(&[("traceparent", &one), ("traceparent", &one)]);
        assert!(twice.parent.is_none());
    }

    #[test]
    fn a_tracestate_is_joined_and_a_bad_one_does_not_cost_the_parent() {
        let one = format!("00-{TRACE}-b7ad6b7169203331-01");
        let both = read(&[
            ("traceparent", &one),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ]);
        assert_eq!(both.parent.unwrap().state.header(), "a=1,b=2");
        for bad in ["=", "no pair", &format!("a={}", "x".repeat(600))] {
            let incoming = read(&[("traceparent", &one), ("tracestate", bad)]);
            assert_eq!(incoming.parent.unwrap().state.header(), "", "{bad}");
        }
    }

    #[test]
    fn a_request_id_is_taken_over_only_if_it_is_a_plain_word() {
        let edge = read(&[("x-request-id", "edge-7.42_a")]);
        assert_eq!(&*edge.id, "edge-7.42_a");
        assert!(edge.trace().is_none());
        for hostile in ["a b", "<script>", "\"", "", &"a".repeat(65)] {
            let id = read(&[("x-request-id", hostile)]).id;
            assert!(is_trace(&id), "{hostile}");
        }
    }
}
