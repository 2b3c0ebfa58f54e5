//! `explain`: a refused request, told from the log of the server and the trail.

use countersign::{
    application::ports::{Clock as _, Store as _},
    domain::{
        event::{AuditEvent, EventKind},
        id::ClientId,
    },
    infrastructure::{
        clock::SystemClock,
        sql::{self, SqlOptions},
    },
};
use serde_json::json;

use super::Desk;

const LOG: &str = r#"{"timestamp":"2026-11-25T10:00:00.000000Z","level":"INFO","target":"countersign::web","check":"redirect_uri","client":"web","received":"https://rp.example/call","registered":"https://rp.example/callback","reason":"redirect_uri is not registered","message":"authorization request cannot be answered","trace_id":"0af7651916cd43dd8448eb211c80319c"}
{"timestamp":"2026-11-25T10:00:00.000100Z","level":"INFO","target":"countersign::web::guard","method":"GET","path":"/oauth2/authorize","address":"192.0.2.7","status":400,"microseconds":812,"message":"answered","trace_id":"0af7651916cd43dd8448eb211c80319c"}
{"timestamp":"2026-11-25T10:00:00.000200Z","level":"INFO","target":"countersign::web::guard","message":"answered","status":200,"trace_id":"ffffffffffffffffffffffffffffffff"}
"#;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[test]
fn a_refusal_is_told_from_the_log_for_people_and_for_programs() {
    let desk = Desk::migrated();
    std::fs::write(desk.0.path().join("server.log"), LOG).unwrap();
    let output = desk.run(&["explain", TRACE, "--log", "server.log"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for part in [
        "GET /oauth2/authorize from 192.0.2.7",
        "received    https://rp.example/call\n",
        "registered  https://rp.example/callback",
        "what to do  ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let arguments = ["explain", TRACE, "--log", "-", "--output", "json"];
    let output = desk.run_with(&arguments, LOG);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["refusals"][0]["check"], "redirect_uri");
    assert_eq!(json["log"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_trail_is_told_without_a_log() {
    let desk = Desk::migrated();
    let file = desk.0.path().join("data/countersign.db");
    let url = format!("sqlite://{}", file.display());
    let store = sql::connect(&url, &SqlOptions::default()).await.unwrap();
    let work = store.begin().await.unwrap();
    let now = SystemClock.now();
    let millis = u64::try_from(now.0).unwrap() * 1000;
    let event = AuditEvent {
        id: uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10])
            .into_uuid()
            .to_string(),
        at: now,
        kind: EventKind::CodeReplayed,
        by: None,
        user: None,
        client: Some(ClientId::new("web\u{1b}[31m")),
        grant: None,
        address: None,
        trace: Some(TRACE.to_owned()),
        detail: json!({}),
    };
    work.record(&event).await.unwrap();
    work.commit().await.unwrap();
    let output = desk.run(&["explain", TRACE]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("code.replayed client=web\\u{1b}[31m"),
        "{text}"
    );
    assert_eq!(desk.ok(&["explain", TRACE])["events"][0]["trace"], TRACE);
    let nothing = desk.fails(3, &["explain", "nobody-asked-this"]);
    assert!(nothing.contains("nothing is known"), "{nothing}");
    let refused = desk.fails(2, &["explain", "no id"]);
    assert!(refused.contains("no trace id"), "{refused}");
}

#[test]
fn a_log_will_do_where_there_is_no_database() {
    let desk = Desk::new();
    let output = desk.run_with(&["explain", TRACE, "--log", "-"], LOG);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("The audit trail was not read: "), "{text}");
    assert!(
        desk.fails(1, &["explain", TRACE])
            .contains("there is no database yet")
    );
}
