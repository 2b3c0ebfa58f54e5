//! `backup`: what was copied works again elsewhere, and nothing is written over.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;

use super::{Desk, dev::started, failed, state::serve};
use crate::support::sql::TestDatabase;

/// A desk with a user, a client and keys that sign.
fn lived_in(settings: &[(&str, &str)]) -> Desk {
    let desk = Desk::new();
    let (server, _) = started(&mut serve(&desk, settings));
    drop(server);
    let with = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        for (name, value) in settings {
            command.env(format!("COUNTERSIGN__{name}"), value);
        }
        assert!(command.output().unwrap().status.success(), "{arguments:?}");
    };
    with(&["user", "add", "alice", "--no-password"]);
    with(&["client", "create", "--service", "--name", "Job"]);
    desk
}

fn run(desk: &Desk, settings: &[(&str, &str)], arguments: &[&str]) -> std::process::Output {
    let mut command = desk.command(&[arguments, &["--output", "json"]].concat());
    for (name, value) in settings {
        command.env(format!("COUNTERSIGN__{name}"), value);
    }
    command.output().unwrap()
}

fn ok(desk: &Desk, settings: &[(&str, &str)], arguments: &[&str]) -> Value {
    super::json(&run(desk, settings, arguments))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_sqlite_server_lives_on_from_its_backup() {
    let desk = lived_in(&[]);
    let made = ok(
        &desk,
        &[],
        &["backup", "create", "copy", "--keys-to", "keys-copy"],
    );
    assert_eq!(
        (&made["state"], &made["keys"]),
        (&"copied".into(), &"copied apart".into())
    );
    assert_eq!(mode(&desk.0.path().join("copy")), 0o700);
    assert_eq!(mode(&desk.0.path().join("keys-copy/kek")), 0o600);
    let keys = ok(&desk, &[], &["keys", "list"]);

    // Once more into the same place, and onto what is there.
    failed(4, &run(&desk, &[], &["backup", "create", "copy"]));
    failed(4, &run(&desk, &[], &["backup", "restore", "copy"]));

    let other = Desk::new();
    let (copy, keys_copy) = (desk.0.path().join("copy"), desk.0.path().join("keys-copy"));
    let (copy, keys_copy) = (copy.to_str().unwrap(), keys_copy.to_str().unwrap());
    ok(
        &other,
        &[],
        &["backup", "restore", copy, "--keys-from", keys_copy],
    );
    assert_eq!(
        ok(&other, &[], &["user", "show", "alice"])["username"],
        "alice"
    );
    assert_eq!(ok(&other, &[], &["keys", "list"]), keys);
    let (server, ready) = started(&mut serve(&other, &[]));
    assert!(ready["listen"].is_string(), "it serves: {ready}");
    drop(server);
    // The same keys: nothing was made anew.
    assert_eq!(ok(&other, &[], &["keys", "list"]), keys);
}

#[test]
fn a_running_server_is_copied_without_its_state_only() {
    let desk = lived_in(&[]);
    let (_server, _) = started(&mut serve(&desk, &[]));
    let said = failed(5, &run(&desk, &[], &["backup", "create", "one"]));
    assert!(said.contains("--without-state"), "{said}");
    ok(&desk, &[], &["backup", "create", "two", "--without-state"]);
    let other = Desk::new();
    let copy = desk.0.path().join("two");
    let restored = ok(&other, &[], &["backup", "restore", copy.to_str().unwrap()]);
    assert_eq!(restored["state"], false);
    assert_eq!(
        ok(&other, &[], &["user", "show", "alice"])["username"],
        "alice"
    );
}

#[test]
fn a_backup_that_is_not_whole_is_refused_and_nothing_is_written() {
    let desk = lived_in(&[]);
    let said = failed(
        2,
        &run(
            &desk,
            &[],
            &["backup", "create", "a", "--keys-to", "a/keys"],
        ),
    );
    assert!(said.contains("elsewhere"), "{said}");
    ok(&desk, &[], &["backup", "create", "copy"]);
    let copy = desk.0.path().join("copy");
    let database = copy.join("database");
    let mut bytes = fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&database, bytes).unwrap();
    let other = Desk::new();
    let said = failed(
        1,
        &run(&other, &[], &["backup", "restore", copy.to_str().unwrap()]),
    );
    assert!(
        said.contains("database is missing or not what was written"),
        "{said}"
    );
    fs::remove_file(copy.join("backup.json")).unwrap();
    failed(
        1,
        &run(&other, &[], &["backup", "restore", copy.to_str().unwrap()]),
    );
    assert_eq!(
        fs::read_dir(other.0.path()).unwrap().count(),
        1,
        "the configuration alone"
    );
}

/// A database of its own, empty: the others of the tests are parts of one.
struct Whole {
    server: TestDatabase,
    name: String,
    url: String,
}

impl Whole {
    async fn new() -> Self {
        let server = TestDatabase::postgres().await;
        let name = format!("backup_{}", uuid::Uuid::new_v4().simple());
        server.execute(&format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(server.url()).unwrap();
        url.set_path(&name);
        url.set_query(None);
        let url = url.into();
        Self { server, name, url }
    }

    async fn drop(self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.server.execute(&drop).await;
    }
}

#[tokio::test]
async fn a_postgres_server_lives_on_from_its_backup() {
    let (from, to) = (Whole::new().await, Whole::new().await);
    let (from_url, to_url) = (from.url.clone(), to.url.clone());
    let desk = lived_in(&[("DATABASE__URL", &from_url)]);
    let settings = [("DATABASE__URL", &*from_url)];
    ok(
        &desk,
        &settings,
        &["backup", "create", "copy", "--keys-to", "keys-copy"],
    );
    let keys = ok(&desk, &settings, &["keys", "list"]);
    let other = Desk::new();
    let (copy, keys_copy) = (desk.0.path().join("copy"), desk.0.path().join("keys-copy"));
    let (copy, keys_copy) = (copy.to_str().unwrap(), keys_copy.to_str().unwrap());
    // Onto another kind of database, and onto one that is not empty.
    failed(1, &run(&other, &[], &["backup", "restore", copy]));
    failed(1, &run(&other, &settings, &["backup", "restore", copy]));
    let settings = [("DATABASE__URL", &*to_url)];
    ok(
        &other,
        &settings,
        &["backup", "restore", copy, "--keys-from", keys_copy],
    );
    assert_eq!(
        ok(&other, &settings, &["user", "show", "alice"])["username"],
        "alice"
    );
    assert_eq!(ok(&other, &settings, &["keys", "list"]), keys);
    from.drop().await;
    to.drop().await;
}
