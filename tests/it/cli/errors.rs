//! How the command line says what went wrong.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

use super::{Desk, failed};

fn json_error(desk: &Desk, code: i32, arguments: &[&str]) -> Value {
    let errors = failed(
        code,
        &desk.run(&[arguments, &["--output", "json"]].concat()),
    );
    let error: Value = serde_json::from_str(&errors).unwrap();
    assert_eq!(error["error"]["exit_code"], code);
    error["error"].clone()
}

#[test]
fn errors_are_json_where_results_are() {
    let desk = Desk::migrated();
    let error = json_error(&desk, 3, &["user", "show", "nobody"]);
    assert_eq!(error["code"], "not_found");
    assert_eq!(error["message"], "there is no user \"nobody\"");
    assert_eq!(error["hint"], "see what there is: countersign user list");
    assert_eq!(json_error(&desk, 2, &["user", "shwo"])["code"], "invalid");
    let error = json_error(&desk, 2, &["user", "list", "--config", "nowhere.toml"]);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("nowhere.toml cannot be read")
    );
}

#[test]
fn a_reader_that_goes_away_ends_a_verb_quietly() {
    let desk = Desk::new();
    // More than a pipe holds.
    let mut command = desk.command(&["config", "reference"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
    let mut command = desk.command(&["--help"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(line.contains("OAuth"));
}

#[test]
fn a_database_that_is_not_there_is_named_with_the_cause_and_without_the_password() {
    let desk = Desk::new();
    let fails = |arguments: &[&str], url: &str| {
        let mut command = desk.command(arguments);
        failed(5, &command.env("DATABASE_URL", url).output().unwrap())
    };
    let user_list = |url: &str| fails(&["user", "list"], url);
    let refused = user_list("postgres://me:canary-31c8@127.0.0.1:1/shop");
    for part in ["127.0.0.1:1", "shop", "refused"] {
        assert!(refused.contains(part), "{refused}");
    }
    let unknown = user_list("postgres://me:canary-31c8@nowhere.invalid/shop");
    assert!(unknown.contains("nowhere.invalid:5432"), "{unknown}");
    for error in [&refused, &unknown] {
        assert!(!error.contains("canary-31c8"), "{error}");
    }
    std::fs::write(desk.0.path().join("a-file"), "x".repeat(100)).unwrap();
    let inside = fails(&["migrate", "up"], "sqlite://a-file/db?mode=rwc");
    assert!(inside.contains("a-file"), "{inside}");
    let garbage = user_list("sqlite://a-file");
    assert!(
        garbage.contains("a-file: file is not a database"),
        "{garbage}"
    );
}

#[test]
fn a_reading_verb_makes_no_database() {
    let desk = Desk::new();
    let error = desk.fails(1, &["user", "list"]);
    assert!(error.contains("countersign migrate up"), "{error}");
    assert!(!desk.0.path().join("data").exists());
}
