//! `doctor`: each part that is not in order comes with its remedy.

use std::fs;

use serde_json::Value;

use super::{Desk, dev::started, state::serve};

/// What it finds out, by part; and whether it is content.
fn examine(desk: &Desk, settings: &[(&str, &str)]) -> (bool, Vec<Value>) {
    let mut command = desk.command(&["doctor", "--output", "json"]);
    for (name, value) in settings {
        command.env(format!("COUNTERSIGN__{name}"), value);
    }
    let output = command.output().unwrap();
    let findings = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.success(), findings)
}

fn part<'a>(findings: &'a [Value], name: &str) -> &'a Value {
    findings.iter().find(|it| it["part"] == name).unwrap()
}

#[test]
fn a_server_in_order_is_found_in_order_while_it_runs() {
    let desk = Desk::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (issuer, port) = (format!("http://127.0.0.1:{port}"), port.to_string());
    let settings = [("ISSUER", &*issuer), ("SERVER__PORT", &*port)];
    let (_server, _) = started(&mut serve(&desk, &settings));
    let (is_content, findings) = examine(&desk, &settings);
    assert!(is_content, "{findings:#?}");
    for name in [
        "configuration",
        "database",
        "state store",
        "keys",
        "clock",
        "issuer",
    ] {
        assert_eq!(part(&findings, name)["state"], "ok", "{findings:#?}");
    }
    for name in ["TLS", "mail"] {
        assert_eq!(part(&findings, name)["state"], "off", "{findings:#?}");
    }
}

#[test]
fn what_is_wrong_is_found_with_what_to_do() {
    let desk = Desk::new();
    let settings = [("ISSUER", "http://127.0.0.1:9")];
    let (_, findings) = examine(&desk, &settings);
    assert_eq!(
        part(&findings, "database")["remedy"],
        "countersign migrate up"
    );
    let (server, _) = started(&mut serve(&desk, &settings));
    drop(server);

    let kek = desk.0.path().join("keys/kek");
    let right = fs::read(&kek).unwrap();
    fs::write(&kek, [7; 32]).unwrap();
    let mail = [
        ("ISSUER", "http://127.0.0.1:9"),
        ("MAIL__HOST", "127.0.0.1"),
        ("MAIL__PORT", "9"),
        ("MAIL__SECURITY", "plain"),
        ("MAIL__FROM", "a@id.example"),
        ("STATE__REDIS_URL", "redis://127.0.0.1:9"),
    ];
    let (is_content, findings) = examine(&desk, &mail);
    assert!(!is_content);
    for name in ["keys", "mail", "issuer", "state store"] {
        let found = part(&findings, name);
        assert_eq!(found["state"], "wrong", "{findings:#?}");
        assert!(found["remedy"].as_str().is_some_and(|it| !it.is_empty()));
    }
    assert!(
        part(&findings, "keys")["what"]
            .as_str()
            .unwrap()
            .contains("does not open")
    );
    fs::write(&kek, right).unwrap();
    let (_, findings) = examine(&desk, &settings);
    assert_eq!(part(&findings, "keys")["state"], "ok", "{findings:#?}");
}
