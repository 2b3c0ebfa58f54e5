//! Verbs that read write nothing: neither database nor keys change.

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};

use super::{Desk, PASSWORD};

/// Every row of the database. Its files say less: whoever opens them last may fold what the one
/// before wrote into the main one.
fn rows(directory: &Path) -> Vec<String> {
    let file = format!(
        "sqlite://{}?mode=ro",
        directory.join("data/countersign.db").display()
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = Database::connect(file).await.unwrap();
        let ask = async |sql: String| {
            let statement = Statement::from_string(DbBackend::Sqlite, sql);
            let found = database.query_all_raw(statement).await.unwrap();
            let text = |row: &sea_orm::QueryResult| row.try_get_by_index::<String>(0).unwrap();
            found.iter().map(text).collect::<Vec<_>>()
        };
        let mut rows = Vec::new();
        for table in
            ask("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name".into()).await
        {
            let columns = ask(format!("SELECT name FROM pragma_table_info('{table}')")).await;
            let values: Vec<_> = columns
                .iter()
                .map(|name| format!("quote(\"{name}\")"))
                .collect();
            let sql = format!(
                "SELECT '{table}: ' || {} FROM \"{table}\"",
                values.join("||','||")
            );
            rows.extend(ask(sql).await);
        }
        database.close().await.unwrap();
        rows.sort();
        rows
    })
}

/// Every file below a directory with its time and content, but for those of the database.
fn files(directory: &Path) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.to_string_lossy().contains("countersign.db") {
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
    let (before, held) = (files(desk.0.path()), rows(desk.0.path()));
    assert!(held.iter().any(|row| row.contains("alice")), "{held:?}");
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
        assert_eq!(rows(desk.0.path()), held, "{verb}");
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
