//! OTLP over HTTP with protobuf bodies: one task sends spans in batches. A collector that is away or
//! slow costs spans, which are counted, and nothing else.

use std::{collections::HashMap, fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use secrecy::ExposeSecret as _;
use tokio::sync::{mpsc, oneshot};

use crate::{config::TelemetryConfig, metrics};

/// Spans in one post at most.
const BATCH: usize = 512;
/// How long the first span of a batch waits for company.
const WAIT: Duration = Duration::from_secs(2);
/// A collector that takes longer gets nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two complaints about a collector.
const QUIET: Duration = Duration::from_mins(1);

/// What the task is told.
pub(super) enum Message {
    /// To be sent.
    Span(Box<SpanData>),
    /// Answer when all that was said before is sent.
    Flush(oneshot::Sender<()>),
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no HTTP client.
    #[error("the HTTP client for traces cannot be made")]
    Client(#[from] reqwest::Error),
    /// The collector's address cannot be used.
    #[error("the exporter of traces cannot be made")]
    Exporter(#[from] ExporterBuildError),
}

/// Sends spans to a collector.
pub(super) struct Sender {
    exporter: SpanExporter,
    complained: Option<tokio::time::Instant>,
}

impl Sender {
    pub(super) fn new(config: &TelemetryConfig) -> Result<Self, StartError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        let headers: HashMap<_, _> = config
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
            .collect();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client(client))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(config.endpoint.as_str())
            .with_timeout(PATIENCE)
            .with_headers(headers)
            // It would wait on a thread of the runtime.
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        let resource = Resource::builder_empty()
            .with_service_name(config.service_name.clone())
            .with_attribute(opentelemetry::KeyValue::new(
                "service.version",
                env!("CARGO_PKG_VERSION"),
            ))
            .build();
        exporter.set_resource(&resource);
        Ok(Self {
            exporter,
            complained: None,
        })
    }

    /// Sends what comes, until nobody can say anything any more.
    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut batch = Vec::new();
        while let Some(first) = messages.recv().await {
            let full = tokio::time::Instant::now() + WAIT;
            let mut flushed = take(first, &mut batch);
            while flushed.is_none() && batch.len() < BATCH {
                match tokio::time::timeout_at(full, messages.recv()).await {
                    Ok(Some(message)) => flushed = take(message, &mut batch),
                    Ok(None) | Err(_) => break,
                }
            }
            self.export(std::mem::take(&mut batch)).await;
            if let Some(flushed) = flushed {
                let _ = flushed.send(());
            }
        }
    }

    async fn export(&mut self, batch: Vec<SpanData>) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return;
        }
        match tokio::time::timeout(PATIENCE, self.exporter.export(batch)).await {
            Ok(Ok(())) => metrics::spans("sent", count),
            Ok(Err(error)) => self.lost(count, &error),
            Err(elapsed) => self.lost(count, &elapsed),
        }
    }

    /// Counts them all, and says so now and then.
    fn lost(&mut self, count: u64, error: &dyn fmt::Display) {
        metrics::spans("dropped", count);
        let is_news = self.complained.is_none_or(|at| at.elapsed() > QUIET);
        if is_news {
            self.complained = Some(tokio::time::Instant::now());
            tracing::warn!(%error, count, "the collector of traces did not take spans");
        }
    }
}

fn take(message: Message, batch: &mut Vec<SpanData>) -> Option<oneshot::Sender<()>> {
    match message {
        Message::Span(span) => {
            batch.push(*span);
            None
        }
        Message::Flush(flushed) => Some(flushed),
    }
}

/// Our HTTP client in the exporter's words.
#[derive(Debug)]
struct Client(reqwest::Client);

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let mut answer = self.0.execute(request).await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            std::mem::swap(headers, answer.headers_mut());
        }
        // A collector says little; more would be somebody else's.
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MOST_ANSWER {
                return Err("the collector's answer is too long".into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(response.body(body.into())?)
    }
}

/// Bytes of a collector's answer at most.
const MOST_ANSWER: usize = 64 * 1024;
