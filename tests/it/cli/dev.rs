//! `dev`: ready when it says so, kept for the next start, found by every other verb.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{Desk, json};

/// A running `dev`, ended with the test.
pub(super) struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

pub(super) fn start_dev(desk: &Desk) -> (Dev, Value) {
    started(&mut desk.command(&["dev", "--port", "0", "--output", "json"]))
}

pub(super) fn started(command: &mut Command) -> (Dev, Value) {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut dev = Dev(command.spawn().unwrap());
    let mut line = String::new();
    let stdout = dev.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap();
    (dev, ready)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn dev_is_ready_when_it_says_so_and_keeps_its_credentials() {
    let desk = Desk::new();
    let (dev, ready) = start_dev(&desk);
    let issuer = ready["issuer"].as_str().unwrap();
    let http = reqwest::Client::new();
    let discovery = http.get(ready["discovery"].as_str().unwrap()).send();
    let discovery: Value = discovery.await.unwrap().json().await.unwrap();
    assert_eq!(discovery["issuer"], issuer);
    let service = &ready["clients"]["demo-service"];
    let (id, secret) = (
        service["client_id"].as_str(),
        service["client_secret"].as_str(),
    );
    let tokens = http
        .post(discovery["token_endpoint"].as_str().unwrap())
        .basic_auth(id.unwrap(), secret)
        .form(&[("grant_type", "client_credentials")])
        .send();
    let tokens: Value = tokens.await.unwrap().json().await.unwrap();
    assert_eq!(tokens["scope"], "api:read api:write", "{tokens}");
    let playground = http.get(ready["playground"].as_str().unwrap()).send();
    assert_eq!(playground.await.unwrap().status(), 200);
    let data = desk.0.path().join("data");
    assert_eq!(mode(&data.join("dev-credentials.json")), 0o600);
    assert_eq!(mode(&data), 0o700);
    drop(dev);

    let (_dev, again) = start_dev(&desk);
    assert_eq!(again["user"], ready["user"]);
    assert_eq!(again["clients"], ready["clients"]);
    assert_eq!(again["user"]["username"], "demo");
}

#[test]
fn every_verb_finds_what_dev_left_while_it_runs_and_afterwards() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let (running, ready) = start_dev(&desk);
    assert_eq!(desk.ok(&["user", "list"])[0]["username"], "demo");
    desk.ok(&["user", "add", "bob", "--no-password"]);
    drop(running);
    assert_eq!(desk.ok(&["user", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(desk.ok(&["client", "show", "demo-web"])["kind"], "web");
    let file = Path::new(ready["config"].as_str().unwrap());
    assert_eq!(mode(file), 0o600);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut list = desk.command(&["user", "list", "--output", "json"]);
    let list = list
        .current_dir(elsewhere.path())
        .env("COUNTERSIGN_CONFIG", file);
    assert_eq!(json(&list.output().unwrap()).as_array().unwrap().len(), 2);
}

#[test]
fn dev_copes_with_a_directory_whose_name_a_url_would_end_at() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let home = desk.0.path().join("what? 100% #1");
    std::fs::create_dir(&home).unwrap();
    let mut command = desk.command(&["dev", "--port", "0", "--output", "json"]);
    let (_running, _) = started(command.current_dir(&home));
    let list = desk
        .command(&["user", "list", "--output", "json"])
        .current_dir(&home)
        .output();
    assert_eq!(json(&list.unwrap())[0]["username"], "demo");
    let names: Vec<_> = std::fs::read_dir(desk.0.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "only the odd directory: {names:?}");
}

#[test]
fn production_does_not_begin_on_what_dev_left_and_a_configuration_of_ones_own_wins() {
    let desk = Desk(tempfile::tempdir().unwrap());
    drop(start_dev(&desk));
    assert!(desk.fails(2, &["serve"]).contains("issuer is missing"));
    desk.ok(&["config", "init"]);
    assert_eq!(desk.ok(&["config", "validate"])["file"], "countersign.toml");
}
