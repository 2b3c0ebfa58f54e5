//! A collector as small as can be: OTLP over HTTP on loopback.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message as _;
use tokio::net::TcpListener;

/// How a collector behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it should.
    Takes,
    /// It listens and never answers.
    Hangs,
    /// It answers 500.
    Fails,
    /// Nobody listens.
    Away,
}

type Posts = Arc<Mutex<Vec<(HeaderMap, ExportTraceServiceRequest)>>>;

/// What was posted so far.
pub(super) struct Collector {
    address: SocketAddr,
    posts: Posts,
}

impl Collector {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let posts = Posts::default();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state((manner, posts.clone()));
        if manner != Manner::Away {
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        Self { address, posts }
    }

    pub(super) fn endpoint(&self) -> url::Url {
        format!("http://{}/v1/traces", self.address)
            .parse()
            .unwrap()
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let posts = self.posts.lock().unwrap();
        let resources = posts.iter().flat_map(|(_, post)| &post.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    pub(super) fn header(&self, name: &str) -> String {
        let posts = self.posts.lock().unwrap();
        posts[0].0[name].to_str().unwrap().to_owned()
    }

    pub(super) fn service_name(&self) -> String {
        let posts = self.posts.lock().unwrap();
        let resource = posts[0].1.resource_spans[0].resource.as_ref().unwrap();
        let name = resource
            .attributes
            .iter()
            .find(|it| it.key == "service.name");
        let name = name.and_then(|name| name.value.as_ref()?.value.as_ref());
        let Some(Value::StringValue(name)) = name else {
            panic!("{name:?}");
        };
        name.clone()
    }
}

async fn take(
    State((manner, posts)): State<(Manner, Posts)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    match manner {
        Manner::Takes | Manner::Away => {
            let post = ExportTraceServiceRequest::decode(body).unwrap();
            posts.lock().unwrap().push((headers, post));
            StatusCode::OK
        }
        Manner::Hangs => std::future::pending().await,
        Manner::Fails => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
