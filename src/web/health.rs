//! Health and metrics, on the management listener: alive (the process answers), ready (so does all
//! that it needs), and what was counted.

mod readiness;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::readiness::Readiness;
use super::Web;
use crate::{application::ports::DiskSpace, metrics};

/// Messages of the outbox that are counted.
const MOST_COUNTED: u64 = 1000;
/// How long the database may take to count.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Health {
    web: Arc<Web>,
    readiness: Arc<Readiness>,
}

/// The routes of the management listener. A server that is `stopping` is not ready any more.
pub fn router(web: Arc<Web>, disk: Arc<dyn DiskSpace>, stopping: CancellationToken) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(measured))
        .with_state(Health {
            web: web.clone(),
            readiness: Arc::new(Readiness::new(web, disk, stopping)),
        })
}

async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

async fn ready(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let report = health.readiness.look().await;
    let status = if report.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report.to_json()))
}

async fn measured(State(health): State<Health>) -> Response {
    // What the database knows is asked for when somebody wants to know. Without it the rest is told.
    let backlog = health.web.ports.store.reader().backlog(MOST_COUNTED);
    let backlog = tokio::time::timeout(PATIENCE, backlog).await;
    metrics::outbox(match backlog {
        Ok(Ok(backlog)) => Some((backlog, health.web.ports.clock.now())),
        Ok(Err(_)) | Err(_) => None,
    });
    match metrics::render() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
