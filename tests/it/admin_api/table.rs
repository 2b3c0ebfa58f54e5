//! Every operation of the description against every right: each needs its own, and none other helps.

use std::{collections::BTreeSet, fmt::Write as _};

use axum::http::{Method, StatusCode};
use countersign::domain::administration::Right;
use serde_json::{Value, json};

use super::{Desk, assert_problem, prepare, service_token};
use crate::support::app::{TestApp, on_both};

/// What each operation needs. An operation that is not here fails the test.
fn needed(method: &str, path: &str) -> Right {
    let path = path.strip_prefix("/api/admin/").unwrap();
    let mut parts = path.split('/');
    let (first, last) = (parts.next().unwrap(), parts.nth(1).unwrap_or_default());
    let reads = method == "get";
    let either = |read, write| if reads { read } else { write };
    match (first, last) {
        ("users", "logins") | ("statistics", _) => Right::StatisticsRead,
        ("roles" | "groups", "users") => Right::UsersRead,
        ("users", "access" | "roles" | "groups") | ("roles" | "groups" | "permissions", _) => {
            either(Right::RolesRead, Right::RolesWrite)
        }
        ("users", "consents" | "grants") => either(Right::ConsentsRead, Right::ConsentsWrite),
        ("users", _) => either(Right::UsersRead, Right::UsersWrite),
        ("clients" | "resources", _) => either(Right::ClientsRead, Right::ClientsWrite),
        ("keys", _) => either(Right::KeysRead, Right::KeysWrite),
        ("outbox", _) => either(Right::OutboxRead, Right::OutboxWrite),
        ("audit", _) => Right::AuditRead,
        _ => panic!("what does {method} {path} need?"),
    }
}

/// A body that is read, whatever comes of it.
fn body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "users" => json!({ "username": "table" }),
        "password" => json!({ "password": "a password for the table" }),
        "{claim}" => json!({ "value": 1 }),
        "roles" | "groups" => json!({ "name": "table" }),
        "{role}" => json!({ "permissions": [] }),
        "{group}" => json!({ "roles": [] }),
        "clients" => json!({ "kind": "service", "client_name": "table" }),
        "resources" => json!({ "identifier": "https://table.example", "name": "table" }),
        "{identifier}" => json!({ "name": "table", "scope": "" }),
        _ => json!({}),
    }
}

/// The operations of the description: method, path, whether it takes a body.
fn operations(document: &Value) -> Vec<(Method, String, bool)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            found.push((name, path.clone(), !operation["requestBody"].is_null()));
        }
    }
    found
}

/// The address of an operation about things that there are not.
fn address(path: &str) -> String {
    let path = path.strip_prefix("/api/admin").unwrap();
    let path: Vec<&str> = path
        .split('/')
        .map(|part| {
            if part.starts_with('{') {
                "nothing"
            } else {
                part
            }
        })
        .collect();
    let path = path.join("/");
    if path.ends_with("/grants") {
        format!("{path}?client_id=web")
    } else {
        path
    }
}

async fn ask(desk: &Desk, (method, path, takes_body): &(Method, String, bool)) -> StatusCode {
    let body = takes_body.then(|| body(path));
    let headers = [("if-match", "*")];
    let address = address(path);
    let answer = desk.send(method.clone(), &address, &headers, body.as_ref());
    answer.await.status
}

on_both! {
    async fn c168_every_operation_needs_its_own_right_and_no_other(app: TestApp) {
        prepare(&app).await;
        let document = app.get("/api/openapi.json").await.json();
        let operations = operations(&document);
        assert!(operations.len() > 50, "{}", operations.len());
        let mut used = BTreeSet::new();
        for right in Right::ALL {
            let only = Desk::new(&app, service_token(&app, right.as_str()).await);
            let others = Right::ALL.iter().filter(|other| *other != right);
            let others: Vec<_> = others.map(|other| other.as_str()).collect();
            let others = Desk::new(&app, service_token(&app, &others.join(" ")).await);
            for operation in &operations {
                let (method, path, _) = operation;
                let is_needed = needed(method.as_str().to_lowercase().as_str(), path) == *right;
                let status = ask(&only, operation).await;
                // Rotating shows the keys, so it needs both.
                if path.ends_with("/keys/rotate") {
                    assert_eq!(status, StatusCode::FORBIDDEN);
                } else {
                    let is_refused = status == StatusCode::FORBIDDEN;
                    assert_eq!(is_refused, !is_needed, "{method} {path} with {right:?}: {status}");
                }
                if is_needed {
                    used.insert(*right);
                    let status = ask(&others, operation).await;
                    assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} without {right:?}");
                }
            }
        }
        assert_eq!(used.len(), Right::ALL.len(), "every right is good for something");
    }

    async fn nobody_gets_in_without_a_token_for_this_api(app: TestApp) {
        prepare(&app).await;
        let document = app.get("/api/openapi.json").await.json();
        let elsewhere = app.tokens("web", "openid").await["access_token"].as_str().unwrap().to_owned();
        for token in ["", "not-a-token", &elsewhere] {
            let desk = Desk::new(&app, token);
            for (method, path, _) in operations(&document) {
                let answer = desk.send(method.clone(), &address(&path), &[], None).await;
                let kind = if token.is_empty() { "unauthenticated" } else { "invalid-token" };
                assert_eq!(answer.status, 401, "{method} {path} {kind}: {}", answer.body);
                assert!(!answer.header("www-authenticate").is_empty());
            }
        }
        let nothing = Desk::new(&app, service_token(&app, "reports:read").await);
        assert_problem(&nothing.get("/users").await, 403, "forbidden");
    }
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_complete() {
    let app = TestApp::start(crate::support::app::Stage::Embedded).await;
    let answer = app.get("/api/openapi.json").await;
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    // Every schema that is referred to is there, and every operation says what it does and refuses.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
    for (method, path, _) in operations(&document) {
        let operation = &document["paths"][&path][method.as_str().to_lowercase()];
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(operation["responses"]["403"].is_object(), "{method} {path}");
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = part.trim_end_matches('}');
            assert!(
                parameters
                    .iter()
                    .any(|it| it["name"] == name && it["in"] == "path"),
                "{path}"
            );
        }
    }
}

/// Set to anything, the table in docs becomes what the description says.
const UPDATE: &str = "UPDATE_ADMINISTRATION";
const BEGIN: &str = "<!-- operations: written by a test -->\n";
const END: &str = "<!-- end of operations -->";

#[tokio::test]
async fn the_page_in_docs_has_every_operation_and_permission() {
    let app = TestApp::start(crate::support::app::Stage::Embedded).await;
    let document = app.get("/api/openapi.json").await.json();
    let mut table = String::from("\n| Permission | Lets its holder |\n|---|---|\n");
    for right in Right::ALL {
        writeln!(
            table,
            "| `{}` | {} |",
            right.as_str(),
            right.meaning().trim()
        )
        .unwrap();
    }
    table.push_str("\n| Operation | What it does | Permission |\n|---|---|---|\n");
    for (method, path, _) in operations(&document) {
        let name = method.as_str().to_lowercase();
        let operation = &document["paths"][&path][&name];
        let summary = operation["summary"].as_str().unwrap();
        let right = needed(&name, &path).as_str();
        writeln!(table, "| `{method} {path}` | {summary} | `{right}` |").unwrap();
    }
    table.push('\n');
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/administration.md");
    let page = std::fs::read_to_string(file).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (present, tail) = rest.split_once(END).unwrap();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(file, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(present, table, "run with {UPDATE}=1 and commit the page");
}
