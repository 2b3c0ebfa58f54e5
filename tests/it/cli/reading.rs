//! Verbs that read write nothing: neither database nor keys change.

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use super::{Desk, PASSWORD};

/// Every file below a directory with its time and content.
fn files(directory: &Path) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            let bytes = fs::read(&path).unwrap();
            found.insert(path.display().to_string(), (time, bytes));
        }
    }
    found
}

/// A desk with a user, a client, a role, a resource and signing keys.
fn furnished() -> Desk {
    let desk = Desk::migrated();
    desk.ok(&["keys", "rotate"]);
    desk.ok(&["role", "add", "editor"]);
    desk.ok(&["resource", "add", "https://api.example"]);
    let add = ["user", "add", "alice", "--password-stdin"];
    desk.ok_with(&add, &format!("{PASSWORD}\n"));
    let create = "client create --service --name Shop --client-id shop";
    desk.ok(&create.split(' ').collect::<Vec<_>>());
    desk
}

#[test]
fn a_verb_that_reads_changes_no_file() {
    let desk = furnished();
    let before = files(desk.0.path());
    for verb in [
        "keys list",
        "user list",
        "user show alice",
        "client list",
        "client show shop",
        "role list",
        "resource list",
        "migrate status",
        "migrate dry-run",
        "config show",
        "config validate",
    ] {
        let output = desk.run(&verb.split(' ').collect::<Vec<_>>());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb}: {errors}");
        let after = files(desk.0.path());
        let names = |files: &BTreeMap<String, _>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before), "{verb}");
        let changed: Vec<_> = after
            .keys()
            .filter(|name| after.get(*name) != before.get(*name))
            .collect();
        assert!(changed.is_empty(), "{verb} changed {changed:?}");
    }
}

#[test]
fn listing_keys_makes_none_and_needs_no_key_encryption_key() {
    let desk = Desk::migrated();
    assert_eq!(desk.ok(&["keys", "list"]), serde_json::json!([]));
    assert!(!desk.0.path().join("keys").exists());
    desk.ok(&["keys", "rotate"]);
    let listed = desk.ok(&["keys", "list"]);
    fs::remove_file(desk.0.path().join("keys/kek")).unwrap();
    assert_eq!(desk.ok(&["keys", "list"]), listed);
}

#[test]
fn a_lost_key_encryption_key_is_not_replaced_beside_sealed_keys() {
    let desk = Desk::migrated();
    desk.ok(&["keys", "rotate"]);
    let file = desk.0.path().join("keys/kek");
    let kept = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    for verb in [&["keys", "rotate"][..], &["serve"]] {
        let mut command = desk.command(verb);
        for port in ["SERVER", "MANAGEMENT"] {
            command.env(format!("COUNTERSIGN__{port}__PORT"), "0");
        }
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{errors}");
        for part in ["keys/kek is missing", "backup", "signing_keys"] {
            assert!(errors.contains(part), "{errors}");
        }
        assert!(!file.exists(), "{verb:?} made another");
    }
    fs::write(&file, kept).unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&file, permissions).unwrap();
    desk.ok(&["keys", "rotate"]);
}
