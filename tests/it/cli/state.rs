//! A state directory that is damaged, and a second server on one database.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use super::{
    Desk,
    dev::{start_dev, started},
    failed,
};
use crate::support::sql::TestDatabase;

/// All files below `directory`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Cuts every file short, as a disk does that lost what it had not written.
fn damage(directory: &Path) {
    for file in files(directory) {
        let length = fs::metadata(&file).unwrap().len();
        let file = OpenOptions::new().write(true).open(file).unwrap();
        file.set_len(length / 2).unwrap();
    }
}

/// `serve` on free ports.
pub(super) fn serve(desk: &Desk, settings: &[(&str, &str)]) -> std::process::Command {
    let mut command = desk.command(&["serve", "--output", "json"]);
    for (name, value) in [("SERVER__PORT", "0"), ("MANAGEMENT__PORT", "0")] {
        command.env(format!("COUNTERSIGN__{name}"), value);
    }
    for (name, value) in settings {
        command.env(format!("COUNTERSIGN__{name}"), value);
    }
    command
}

#[test]
fn a_damaged_state_directory_is_named_with_what_it_holds_and_the_way_out() {
    let desk = Desk(tempfile::tempdir().unwrap());
    drop(start_dev(&desk));
    let state = desk.0.path().join("data/state");
    damage(&state);
    let error = desk.fails(5, &["dev", "--port", "0"]);
    for part in [
        state.to_str().unwrap(),
        "is damaged",
        "sign-ins",
        "countersign state reset",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }

    let refused = desk.fails(2, &["state", "reset"]);
    assert!(refused.contains("--yes"), "{refused}");
    let before = files(&state).len();
    let reset = desk.ok(&["state", "reset", "--yes"]);
    assert_eq!(reset["directory"], state.to_str().unwrap());
    let aside = PathBuf::from(reset["aside"].as_str().unwrap());
    assert_eq!(files(&aside).len(), before, "the copy is whole");
    let (running, _) = start_dev(&desk);
    assert_eq!(desk.ok(&["user", "list"])[0]["username"], "demo");
    drop(running);
    assert_eq!(files(&aside).len(), before);
}

#[test]
fn every_damage_to_any_file_ends_in_advice_or_in_a_start() {
    let desk = Desk(tempfile::tempdir().unwrap());
    drop(start_dev(&desk));
    let state = desk.0.path().join("data/state");
    let whole = desk.0.path().join("whole");
    copy(&state, &whole);
    let mut told = 0;
    for file in files(&whole) {
        for cut in [Cut::Empty, Cut::Half, Cut::Gone, Cut::Garbage] {
            let name = file.strip_prefix(&whole).unwrap();
            fs::remove_dir_all(&state).unwrap();
            copy(&whole, &state);
            cut.apply(&state.join(name));
            let opened = countersign::infrastructure::state::EmbeddedStore::open(&state);
            if let Err(error) = opened {
                let error = error.to_string();
                assert!(
                    error.contains("countersign state reset"),
                    "{}, {cut:?}: {error}",
                    name.display()
                );
                told += 1;
            }
        }
    }
    assert!(told >= 4, "only {told} of these were noticed");
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    Empty,
    Half,
    Gone,
    Garbage,
}

impl Cut {
    fn apply(self, file: &Path) {
        let bytes = fs::read(file).unwrap();
        match self {
            Self::Empty => fs::write(file, []).unwrap(),
            Self::Half => fs::write(file, &bytes[..bytes.len() / 2]).unwrap(),
            Self::Gone => fs::remove_file(file).unwrap(),
            Self::Garbage => fs::write(file, vec![0xa5; bytes.len()]).unwrap(),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

#[test]
fn the_state_of_a_running_server_is_not_put_aside() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let (running, _) = start_dev(&desk);
    let refused = desk.fails(5, &["state", "reset", "--yes"]);
    assert!(refused.contains("stop it first"), "{refused}");
    drop(running);
    assert!(desk.ok(&["state", "reset", "--yes"])["aside"].is_string());
    let again = desk.ok(&["state", "reset", "--yes"]);
    assert!(again["aside"].is_null(), "{again}");
}

#[test]
fn a_second_server_with_a_state_of_its_own_on_one_sqlite_file_is_refused() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let (running, _) = start_dev(&desk);
    let database = desk.0.path().join("data/countersign.db");
    let other = Desk::new();
    let url = format!("sqlite://{}?mode=rwc", database.display());
    let mut second = serve(&other, &[("DATABASE__URL", &url)]);
    let error = failed(5, &second.output().unwrap());
    for part in [
        "another server works on",
        database.to_str().unwrap(),
        "Redis",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // One that shares its state with others does not hear of what this one ends either.
    let redis = crate::support::redis::shared_url();
    let mut third = serve(
        &other,
        &[("DATABASE__URL", &url), ("STATE__REDIS_URL", redis)],
    );
    let error = failed(5, &third.output().unwrap());
    assert!(error.contains("another server works on"), "{error}");
    // Its death, however sudden, leaves no lock behind.
    drop(running);
    drop(start_dev(&desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_with_a_state_of_its_own_on_one_postgres_is_refused() {
    let database = TestDatabase::postgres().await;
    let settings = [("DATABASE__URL", database.url())];
    let (first, second) = (Desk::new(), Desk::new());
    let _running = started(&mut serve(&first, &settings));
    let error = failed(5, &serve(&second, &settings).output().unwrap());
    assert!(error.contains("another server works on"), "{error}");
}
