//! `/metrics`, and that the dashboard, the alert rules and the guide speak of what it shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use countersign::metrics::{self, Lookup};

use crate::support::app::{Stage, TestApp};

/// Meets every metric once, so that families without fixed labels show up too.
fn shown() -> String {
    let good = Ok::<(), ()>(());
    metrics::request("/oauth2/token", 200, Duration::from_millis(1));
    metrics::token("jwt");
    metrics::token_request("refresh_token", &good);
    metrics::event("login.succeeded");
    metrics::mail("sent");
    metrics::copies("client", Lookup::Hit).count();
    metrics::password(&good);
    metrics::spans("sent", 1);
    metrics::outbox(None);
    metrics::render().unwrap()
}

/// Every name of a series, without what is between braces.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(str::to_owned)
        .collect()
}

/// Every word of `text` that could be the name of a metric of ours.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("countersign_"))
        .map(str::to_owned)
        .collect()
}

fn document(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations");
    fs::read_to_string(docs.join(name)).unwrap()
}

/// Without the suffixes that a histogram's series have.
fn family(name: &str) -> &str {
    ["_bucket", "_count", "_sum"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}

#[tokio::test]
async fn dashboard_and_alert_rules_name_only_what_metrics_show() {
    // Registered stores measure themselves.
    let app = TestApp::start(Stage::Embedded).await;
    app.get("/oauth2/jwks.json").await;
    let _ = metrics::state("get", async { Ok::<(), ()>(()) }).await;
    let series = series(&shown());
    for file in ["dashboard.json", "alerts.yaml"] {
        let named = named(&document(file));
        assert!(named.len() > 5, "{file}");
        let unknown: Vec<_> = named.difference(&series).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&document("dashboard.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 5);
}

#[tokio::test]
async fn the_guide_names_every_metric_and_no_other() {
    let _app = TestApp::start(Stage::Embedded).await;
    let _ = metrics::state("get", async { Ok::<(), ()>(()) }).await;
    metrics::limited("token", "address");
    metrics::connection_refused("all");
    let series = series(&shown());
    let shown: BTreeSet<_> = series
        .iter()
        .map(|name| family(name))
        .filter(|name| name.starts_with("countersign_"))
        .collect();
    let text = document("metrics.md");
    let named = named(&text);
    let named: BTreeSet<_> = named.iter().map(String::as_str).collect();
    assert_eq!(named, shown);
}

/// An alert rule as Prometheus reads it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    lasting: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[test]
fn the_alert_rules_are_rules_and_their_expressions_promql() {
    let rules: Rules = serde_yaml_ng::from_str(&document("alerts.yaml")).unwrap();
    assert_eq!(rules.groups[0].name, "countersign");
    let rules: Vec<_> = rules.groups.iter().flat_map(|group| &group.rules).collect();
    let names: BTreeSet<_> = rules.iter().map(|rule| rule.alert.as_str()).collect();
    assert_eq!(names.len(), rules.len(), "each name once");
    for rule in rules {
        let parsed = promql_parser::parser::parse(&rule.expr);
        assert!(parsed.is_ok(), "{}: {parsed:?}", rule.alert);
        let severity = rule.labels["severity"].as_str();
        assert!(["page", "ticket"].contains(&severity), "{}", rule.alert);
        assert!(!rule.annotations["summary"].is_empty());
        let lasting = rule.lasting.as_deref().unwrap_or("1m");
        assert!(lasting.ends_with('m'), "{}: {lasting}", rule.alert);
    }
}

#[test]
fn the_expressions_of_the_dashboard_are_promql() {
    let dashboard: serde_json::Value = serde_json::from_str(&document("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|it| it["targets"].as_array().unwrap());
    let mut count = 0;
    for target in targets {
        // Grafana puts a duration there.
        let expr = target["expr"]
            .as_str()
            .unwrap()
            .replace("$__rate_interval", "1m");
        let parsed = promql_parser::parser::parse(&expr);
        assert!(parsed.is_ok(), "{expr}: {parsed:?}");
        count += 1;
    }
    assert!(count >= panels.len(), "every panel shows something");
    assert!(promql_parser::parser::parse("sum by (le) (").is_err());
}
