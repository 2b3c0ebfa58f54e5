//! Spans: what a traced request spent its time with. A request that is not traced costs one look at
//! the task; a traced one has its own span, and one below it for each thing that it waited for.
//!
//! Names and attributes are words of ours and numbers: nothing that a request says, no statement, no
//! key reaches a collector (the trace id, and a caller's plain `x-request-id`, aside).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::sync::mpsc;

use super::{
    TRACE,
    context::{self, Incoming},
    otlp::{self, Message},
};
use crate::{
    application::ports::Rng,
    config::{Sampling, TelemetryConfig},
    metrics,
};

/// Spans that may wait to be sent: about two megabytes.
const QUEUED_SPANS: usize = 2048;
/// How long the last spans may take when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Decides which requests are traced, and hands their spans to the task that sends them.
pub struct Tracer {
    queue: mpsc::Sender<Message>,
    /// A request is traced if 64 random bits are below it.
    threshold: u128,
    sampling: Sampling,
    rng: Arc<dyn Rng>,
    scope: InstrumentationScope,
}

impl Tracer {
    /// Starts the task that sends spans, which ends when the tracer is dropped. Must be called inside
    /// a runtime.
    pub fn start(config: &TelemetryConfig, rng: Arc<dyn Rng>) -> Result<Self, otlp::StartError> {
        let sender = otlp::Sender::new(config)?;
        let (queue, spans) = mpsc::channel(QUEUED_SPANS);
        tokio::spawn(sender.run(spans));
        Ok(Self {
            queue,
            threshold: threshold(config.sample_ratio),
            sampling: config.sampling,
            rng,
            scope: InstrumentationScope::builder("countersign")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        })
    }

    /// The span of a request, if it is traced. `name` is from a fixed list.
    pub(super) fn begin(self: &Arc<Self>, incoming: &Incoming) -> Option<Arc<RequestSpan>> {
        let parent = incoming.parent.as_ref();
        let is_sampled = match (parent, self.sampling) {
            (Some(parent), Sampling::Parent) => parent.is_sampled,
            // Not by the trace id: whoever chooses that would choose to be traced.
            (Some(_) | None, Sampling::Ratio | Sampling::Parent) => {
                u128::from(self.random()) < self.threshold
            }
        };
        is_sampled.then(|| {
            let state = parent.map_or(TraceState::NONE, |parent| parent.state.clone());
            let trace = incoming.trace().unwrap_or_else(|| self.trace());
            Arc::new(RequestSpan {
                tracer: Arc::clone(self),
                context: self.context(trace, state),
                parent: parent.map(|parent| parent.span),
                began: now(),
            })
        })
    }

    /// Sends what waits, or gives up after a few seconds.
    pub async fn flush(&self) {
        let (done, flushed) = tokio::sync::oneshot::channel();
        let all = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        };
        if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
            tracing::warn!("the collector of traces did not take the last spans in time");
        }
    }

    fn context(&self, trace: TraceId, state: TraceState) -> SpanContext {
        let span = SpanId::from(self.random().max(1));
        SpanContext::new(trace, span, TraceFlags::SAMPLED, false, state)
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.rng.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn trace(&self) -> TraceId {
        TraceId::from(((u128::from(self.random()) << 64) | u128::from(self.random())).max(1))
    }

    fn send(&self, span: SpanData) {
        if self.queue.try_send(Message::Span(Box::new(span))).is_err() {
            metrics::spans("dropped", 1);
        }
    }
}

/// Of 2^64 equally likely numbers so many are below it.
fn threshold(ratio: f64) -> u128 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the ratio lies between 0 and 1"
    )]
    let threshold = (ratio * 2.0_f64.powi(64)) as u128;
    threshold
}

/// The span of a traced request, until it is answered.
pub(super) struct RequestSpan {
    tracer: Arc<Tracer>,
    context: SpanContext,
    parent: Option<SpanId>,
    began: SystemTime,
}

/// What a request's span tells of the request.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// GET, POST and the like.
    pub method: &'a http::Method,
    /// Which endpoint: one of a fixed list.
    pub endpoint: &'static str,
    /// The answer's status.
    pub status: u16,
}

impl RequestSpan {
    /// The request was answered.
    pub(super) fn end(&self, id: &str, answered: Answered<'_>) {
        let method = known(answered.method);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", answered.endpoint),
            KeyValue::new("http.response.status_code", i64::from(answered.status)),
        ];
        if !context::is_trace(id) {
            attributes.push(KeyValue::new("countersign.request_id", id.to_owned()));
        }
        self.tracer.send(SpanData {
            span_context: self.context.clone(),
            parent_span_id: self.parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: self.parent.is_some(),
            span_kind: SpanKind::Server,
            name: format!("{method} {}", answered.endpoint).into(),
            start_time: self.began,
            end_time: now(),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if answered.status >= 500 {
                Status::error("")
            } else {
                Status::Unset
            },
            instrumentation_scope: self.tracer.scope.clone(),
        });
    }
}

/// The methods of RFC 9110 and RFC 5789; a caller can make up others.
fn known(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "_OTHER",
    }
}

/// Something that a traced request does; nothing in one that is not traced. Ends when dropped: given
/// up, unless [`Span::end`] said otherwise.
pub struct Span(Option<Open>);

struct Open {
    request: Arc<RequestSpan>,
    name: &'static str,
    operation: &'static str,
    began: SystemTime,
}

/// Begins `operation` of `name` (`database`, `state store` and so on) in the request that this task
/// works for.
pub fn span(name: &'static str, operation: &'static str) -> Span {
    let request = TRACE.try_with(|request| request.span.clone());
    Span(request.ok().flatten().map(|request| Open {
        request,
        name,
        operation,
        began: now(),
    }))
}

impl Span {
    /// It came to this end.
    pub fn end<T, E>(mut self, result: &Result<T, E>) {
        if let Some(open) = self.0.take() {
            open.end(match result {
                Ok(_) => "ok",
                Err(_) => "failed",
            });
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            open.end("given up");
        }
    }
}

impl Open {
    fn end(self, result: &'static str) {
        let request = &self.request;
        let tracer = &request.tracer;
        let context = &request.context;
        tracer.send(SpanData {
            span_context: tracer.context(context.trace_id(), context.trace_state().clone()),
            parent_span_id: context.span_id(),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: format!("{} {}", self.name, self.operation).into(),
            start_time: self.began,
            end_time: now(),
            attributes: vec![KeyValue::new("countersign.result", result)],
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if result == "ok" {
                Status::Unset
            } else {
                Status::error("")
            },
            instrumentation_scope: tracer.scope.clone(),
        });
    }
}

/// Tells a server that we ask on behalf of the present request which trace it belongs to. A request
/// that is not traced passes on what its caller said, if anything.
pub fn propagate(headers: &mut HeaderMap) {
    let _ = TRACE.try_with(|request| match (&request.span, &request.parent) {
        (Some(span), _) => context::write(headers, &span.context),
        (None, Some(parent)) => context::write(headers, &parent.unsampled()),
        (None, None) => {}
    });
}

/// When a span begins or ends: a fact about the span, not about any record.
fn now() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "spans of several machines are laid side by side by the wall clock"
    )]
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_of_all_takes_every_number_and_one_of_none_takes_none() {
        assert!(u128::from(u64::MAX) < threshold(1.0));
        assert_eq!(threshold(0.0), 0);
        assert_eq!(threshold(0.5), 1 << 63);
    }
}
