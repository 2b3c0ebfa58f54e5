//! `/health/ready`: which part is not well, since when, and in no words of anybody else's.

use std::{path::Path, process::Command, time::Duration};

use axum::{Router, body::Body, http::Request};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::app::{self, Stage, TestApp, on_both, send};

fn management(app: &TestApp, stopping: &CancellationToken) -> Router {
    app.app.management_router(stopping.clone())
}

async fn look(router: &Router) -> (u16, Value) {
    let request = Request::get("/health/ready").body(Body::empty()).unwrap();
    let answer = send(router, request).await;
    (answer.status.as_u16(), answer.json())
}

on_both! {
    async fn a_server_that_can_do_its_work_is_ready(app: TestApp) {
        let (status, body) = look(&management(&app, &CancellationToken::new())).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body, json!({
            "status": "ready", "database": "up", "state": "up", "keys": "up", "disk": "up",
            "stopping": false,
        }));
    }

    async fn a_server_that_shuts_down_says_so_and_since_when(app: TestApp) {
        let stopping = CancellationToken::new();
        let router = management(&app, &stopping);
        stopping.cancel();
        let (status, first) = look(&router).await;
        assert_eq!((status, &first["stopping"]), (503, &json!(true)));
        assert_eq!(first["reasons"][0]["part"], "server");
        assert_eq!(first["reasons"][0]["reason"], "is shutting down");
        app.clock.advance(Duration::from_mins(5));
        assert_eq!(look(&router).await.1, first, "since is when it began");
    }

    async fn a_database_that_refuses_writes_is_named(app: TestApp) {
        let router = management(&app, &CancellationToken::new());
        app.execute("ALTER TABLE revocations RENAME TO elsewhere").await;
        let (status, body) = look(&router).await;
        assert_eq!((status, &body["database"]), (503, &json!("down")), "{body}");
        assert_eq!(body["state"], "up");
        let told = body.to_string();
        assert!(!told.contains("revocations") && !told.contains("sqlite"), "{told}");
        app.execute("ALTER TABLE elsewhere RENAME TO revocations").await;
        let (status, body) = look(&router).await;
        assert_eq!((status, body.get("reasons")), (200, None));
    }
}

#[tokio::test]
async fn without_a_key_that_signs_a_server_is_not_ready() {
    use countersign::domain::algorithm::SigningAlgorithm;
    let app = TestApp::start_on(Stage::Embedded, None, app::settings(), |options| {
        options.key_policy.algorithms = vec![SigningAlgorithm::Rs256.into()];
    })
    .await;
    let (status, body) = look(&management(&app, &CancellationToken::new())).await;
    assert_eq!((status, &body["keys"]), (503, &json!("down")), "{body}");
    assert_eq!(body["reasons"][0]["reason"], "no key signs access tokens");
}

/// A disk of 16 MiB, as small as the least that must be left.
fn is_mounted(at: &Path) -> bool {
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
        .arg(at)
        .output();
    mount.is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_named() {
    let folder = tempfile::tempdir().unwrap();
    if !is_mounted(folder.path()) {
        eprintln!("skipped: only the superuser can mount");
        return;
    }
    let app = TestApp::start_on(Stage::Embedded, None, app::settings(), |options| {
        let small = folder.path().join("countersign.db");
        options.database_url = format!("sqlite://{}?mode=rwc", small.display()).into();
    })
    .await;
    let (status, body) = look(&management(&app, &CancellationToken::new())).await;
    drop(app);
    let _ = Command::new("umount").arg("-l").arg(folder.path()).status();
    assert_eq!((status, &body["disk"]), (503, &json!("down")), "{body}");
    assert_eq!(body["database"], "up");
}
