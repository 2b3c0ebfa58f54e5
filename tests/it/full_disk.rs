//! A disk that is full and then is not (design: fail closed, recover without a restart). A process of its
//! own, because the limit that stands for the full disk holds for all that it writes.

use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::support::app::{Browser, PASSWORD, Stage, TestApp, USERNAME, send};

/// Tells a copy of this test program that it is the one whose disk fills.
const VICTIM: &str = "COUNTERSIGN_TEST_FULL_DISK";

#[test]
fn a_full_disk_is_noticed_and_logins_work_again_once_there_is_room() {
    if env::var_os(VICTIM).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(fill_and_free());
        return;
    }
    // A write beyond the limit raises a signal that would end the process; ignored, it fails.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("full_disk::a_full_disk_is_noticed_and_logins_work_again_once_there_is_room")
        .env(VICTIM, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{error}");
    assert!(text.contains("worked again"), "nothing was tried: {text}");
}

async fn fill_and_free() {
    let app = TestApp::start(Stage::Embedded).await;
    let health = app.app.management_router(CancellationToken::new());
    let ready = async || {
        let request = axum::http::Request::get("/health/ready");
        let request = request.body(axum::body::Body::empty()).unwrap();
        send(&health, request).await
    };
    assert_eq!(ready().await.status, StatusCode::OK);
    let before = app.tokens("web", "openid offline_access").await;
    for round in 0..3 {
        limit("0");
        let answer = ready().await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{round}");
        assert_eq!(answer.json()["state"], "down", "{round}");
        // A request that waits is kept nowhere (ADR 32); a login is.
        let mut browser = Browser::new(&app);
        let begun = browser.authorize("web", &[]).await;
        let page = browser.get(begun.location()).await.body;
        let answer = browser.log_in(&page, USERNAME, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{round}");
        limit("unlimited");
        let mut patience = 600;
        while ready().await.status != StatusCode::OK {
            patience -= 1;
            assert!(patience > 0, "{round}: not ready though there is room");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        app.tokens("web", "openid").await;
    }
    // What was acknowledged before is still there.
    let refreshed = app
        .refresh("web", before["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.body);
    println!("worked again");
}

/// How large a file may become for this process.
fn limit(bytes: &str) {
    let pid = std::process::id().to_string();
    let size = format!("--fsize={bytes}:unlimited");
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &size])
        .status();
    assert!(status.unwrap().success());
}
