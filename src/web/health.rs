//! Health and metrics, on the management listener: alive (the process answers), ready (so do its
//! stores), and what was counted.

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

use super::Web;
use crate::{
    application::ports::state::{Kind, StateKey},
    metrics,
};

/// A store that takes longer is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Health {
    web: Arc<Web>,
    stopping: CancellationToken,
}

/// The routes of the management listener. A server that is `stopping` is not ready any more.
pub fn router(web: Arc<Web>, stopping: CancellationToken) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(measured))
        .with_state(Health { web, stopping })
}

async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

async fn ready(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let ports = &health.web.ports;
    // Written, and so that it must reach the disk: what only reads does not notice a full one.
    let probe = StateKey::new(Kind::RevokedToken, "health");
    let (database, state) = tokio::join!(
        tokio::time::timeout(PATIENCE, ports.store.ping()),
        tokio::time::timeout(PATIENCE, ports.state.put(&probe, b"", PATIENCE)),
    );
    let (database, state) = (matches!(database, Ok(Ok(()))), matches!(state, Ok(Ok(()))));
    let stopping = health.stopping.is_cancelled();
    let is_ready = database && state && !stopping;
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let word = |good: bool| if good { "up" } else { "down" };
    let body = json!({
        "status": if is_ready { "ready" } else { "not ready" },
        "database": word(database),
        "state": word(state),
        "stopping": stopping,
    });
    (status, Json(body))
}

async fn measured() -> Response {
    match metrics::render() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
