//! What the suite's browser does on our pages, and with whom: a plan's configuration.
//!
//! A script is a list of `{match, tasks}`: the first whose `match` fits the URL that a module opens is
//! played, task after task. A task whose `match` does not fit the page is skipped if it is optional.

use conformance::provider::{Fixture, PASSWORD, USERNAME};
use serde_json::{Value, json};

/// Seconds until a page must show what is waited for.
const PATIENCE: u64 = 20;

/// The configuration of a plan.
pub(crate) fn configuration(fixture: &Fixture, alias: &str) -> Value {
    let issuer = &fixture.issuer;
    let mut configuration = json!({
        "alias": alias,
        "description": "Countersign",
        "server": { "discoveryUrl": format!("{issuer}/.well-known/openid-configuration") },
        "client": fixture.client,
        "client2": fixture.client2,
        "client_secret_post": fixture.client_secret_post,
        "consent": {},
        "options": { "browsercontrol_css_enable": false },
        "browser": [log_in(issuer), log_out(issuer, &[back_at_client()]), session_check()],
        "override": overrides(issuer),
    });
    let certificates = ["mtls", "mtls2"].into_iter().zip(&fixture.certificates);
    if let Some(members) = configuration.as_object_mut() {
        members.extend(certificates.map(|(name, it)| (name.to_owned(), it.clone())));
    }
    configuration
}

/// Modules whose pages go another way.
fn overrides(issuer: &str) -> Value {
    let shown = |id: &str| vec![capture(issuer, id)];
    let confirmed = vec![confirm(issuer), capture(issuer, "logged-out")];
    let mut overrides = serde_json::Map::new();
    for (module, browser) in [
        ("oidcc-prompt-login", log_in_twice(issuer)),
        ("oidcc-max-age-1", log_in_twice(issuer)),
        (
            "oidcc-response-type-missing",
            json!([authorize(issuer, &missing_type(issuer))]),
        ),
        (
            "oidcc-ensure-registered-redirect-uri",
            json!([authorize(issuer, &shown("error"))]),
        ),
        (
            "oidcc-redirect-uri-query-added",
            json!([authorize(issuer, &shown("error"))]),
        ),
        (
            "oidcc-redirect-uri-query-mismatch",
            json!([authorize(issuer, &shown("error"))]),
        ),
        (
            "oidcc-ensure-redirect-uri-in-authorization-request",
            json!([authorize(issuer, &shown("error"))]),
        ),
        ("oidcc-registration-logo-uri", consent_captured(issuer)),
        ("oidcc-registration-policy-uri", consent_captured(issuer)),
        ("oidcc-registration-tos-uri", consent_captured(issuer)),
        (
            "oidcc-ensure-request-object-with-redirect-uri",
            json!([authorize(issuer, &shown("error"))]),
        ),
        (
            "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
            refused_logout(issuer),
        ),
        (
            "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
            refused_logout(issuer),
        ),
        (
            "oidcc-rp-initiated-logout-modified-id-token-hint",
            refused_logout(issuer),
        ),
        (
            "oidcc-rp-initiated-logout-bad-id-token-hint",
            refused_logout(issuer),
        ),
        (
            "oidcc-rp-initiated-logout-no-id-token-hint",
            refused_logout(issuer),
        ),
        (
            "oidcc-rp-initiated-logout-no-params",
            json!([log_in(issuer), log_out(issuer, &confirmed)]),
        ),
        (
            "oidcc-rp-initiated-logout-only-state",
            json!([log_in(issuer), log_out(issuer, &confirmed)]),
        ),
        (
            "oidcc-rp-initiated-logout-no-post-logout-redirect-uri",
            json!([log_in(issuer), log_out(issuer, &shown("logged-out"))]),
        ),
    ] {
        overrides.insert(module.to_owned(), json!({ "browser": browser }));
    }
    overrides.into()
}

/// The usual way: log in and consent where asked, and arrive at the client.
fn log_in(issuer: &str) -> Value {
    authorize(issuer, &[login(issuer), consent(issuer), arrive()])
}

/// The suite's page that holds its frame beside ours: it leaves for another once they have talked.
fn session_check() -> Value {
    json!({
        "match": "*session_verify*",
        "tasks": [{ "task": "Session", "match": "*", "commands": [wait("complete", None)] }],
    })
}

/// The second visit must show the login page again, which is captured.
fn log_in_twice(issuer: &str) -> Value {
    let mut first = log_in(issuer);
    if let Some(script) = first.as_object_mut() {
        script.insert("match-limit".into(), 1.into());
    }
    let mut commands = vec![wait("password", Some("update-image-placeholder"))];
    commands.extend(credentials());
    let again = json!({ "task": "Second login", "match": format!("{issuer}/login*"), "commands": commands });
    json!([
        first,
        authorize(issuer, &[again, consent(issuer), arrive()])
    ])
}

/// The consent page shows what the client registered, and is captured.
fn consent_captured(issuer: &str) -> Value {
    let page = json!({
        "task": "Consent",
        "match": format!("{issuer}/consent*"),
        "commands": [
            wait("consent", Some("update-image-placeholder")),
            ["click", "id", "approve"],
        ],
    });
    json!([authorize(issuer, &[login(issuer), page, arrive()])])
}

/// An error by redirect or on a page: both are right.
fn missing_type(issuer: &str) -> [Value; 4] {
    let optional = |mut task: Value| {
        if let Some(task) = task.as_object_mut() {
            task.insert("optional".into(), true.into());
        }
        task
    };
    let page = json!({
        "task": "Error page",
        "match": format!("{issuer}/oauth2/authorize*"),
        "optional": true,
        "commands": [wait("error", Some("update-image-placeholder-optional"))],
    });
    [login(issuer), consent(issuer), optional(arrive()), page]
}

/// The logout endpoint shows an error page.
fn refused_logout(issuer: &str) -> Value {
    json!([log_in(issuer), log_out(issuer, &[capture(issuer, "error")])])
}

fn authorize(issuer: &str, tasks: &[Value]) -> Value {
    json!({ "match": format!("{issuer}/oauth2/authorize*"), "tasks": tasks })
}

fn log_out(issuer: &str, tasks: &[Value]) -> Value {
    json!({ "match": format!("{issuer}/oauth2/logout*"), "tasks": tasks })
}

fn login(issuer: &str) -> Value {
    json!({
        "task": "Login",
        "match": format!("{issuer}/login*"),
        "optional": true,
        "commands": credentials(),
    })
}

fn credentials() -> Vec<Value> {
    vec![
        json!(["text", "id", "username", USERNAME]),
        json!(["text", "id", "password", PASSWORD]),
        json!(["click", "id", "login"]),
    ]
}

fn consent(issuer: &str) -> Value {
    json!({
        "task": "Consent",
        "match": format!("{issuer}/consent*"),
        "optional": true,
        "commands": [["click", "id", "approve"]],
    })
}

fn confirm(issuer: &str) -> Value {
    json!({
        "task": "Confirm the logout",
        "match": format!("{issuer}/oauth2/logout*"),
        "commands": [["click", "id", "logout"]],
    })
}

fn arrive() -> Value {
    json!({
        "task": "Verify",
        "match": "*/test/*/callback*",
        "commands": [wait("submission_complete", None)],
    })
}

fn back_at_client() -> Value {
    json!({ "task": "Verify", "match": "*/test/*/post_logout_redirect*", "commands": [] })
}

/// One of our own pages, of which the suite keeps a picture for whoever reviews the result.
fn capture(issuer: &str, id: &str) -> Value {
    json!({
        "task": "Page",
        "match": format!("{issuer}/*"),
        "commands": [wait(id, Some("update-image-placeholder"))],
    })
}

fn wait(id: &str, action: Option<&str>) -> Value {
    match action {
        Some(action) => json!(["wait", "id", id, PATIENCE, ".*", action]),
        None => json!(["wait", "id", id, PATIENCE]),
    }
}
