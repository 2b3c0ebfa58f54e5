//! What is special to the embedded store: the directory is one process's, and what it has
//! acknowledged survives that process.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use countersign::{
    application::ports::state::{Kind, StateKey, StateStore},
    infrastructure::state::{EmbeddedStore, OpenError},
};

use super::Rig;

const LONG: Duration = Duration::from_mins(5);

/// Names the directory to a copy of this test program that shall write to it until it is killed.
const VICTIM: &str = "COUNTERSIGN_TEST_STATE_VICTIM";

pub(super) fn open() -> Rig {
    let directory = tempfile::tempdir().unwrap();
    Rig {
        store: Arc::new(EmbeddedStore::open(directory.path()).unwrap()),
        _keep: Box::new(directory),
    }
}

#[tokio::test]
async fn records_survive_closing_and_opening() {
    let directory = tempfile::tempdir().unwrap();
    for generation in 0..3 {
        let store = EmbeddedStore::open(directory.path()).unwrap();
        let key = StateKey::new(Kind::Counter, "opened");
        assert_eq!(store.hit(&key, LONG).await.unwrap(), generation + 1);
    }
}

#[tokio::test]
async fn every_opening_has_a_name_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut names = std::collections::HashSet::new();
    for _ in 0..3 {
        let store = EmbeddedStore::open(directory.path()).unwrap();
        assert!(names.insert(store.incarnation().await.unwrap()));
    }
}

#[test]
fn a_second_store_on_a_directory_is_refused_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let _first = EmbeddedStore::open(directory.path()).unwrap();
    let error = EmbeddedStore::open(directory.path()).err().unwrap();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(directory.path().to_str().unwrap()), "{text}");
    assert!(text.contains("in use by another process"), "{text}");
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let error = EmbeddedStore::open(&file).err().unwrap();
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn only_the_owner_can_enter_the_directory() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("state");
    let _store = EmbeddedStore::open(&directory).unwrap();
    let mode = std::fs::metadata(&directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    if let Some(directory) = env::var_os(VICTIM) {
        write_until_killed(Path::new(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let acknowledged = kill_after(200, directory.path());
        let store = EmbeddedStore::open(directory.path()).unwrap();
        for name in &acknowledged {
            let kept = store.get(&victim_key(name)).await.unwrap();
            assert_eq!(kept.as_deref(), Some(name.as_bytes()), "round {round}");
        }
    }
}

/// Starts a writing copy of this program, kills it once it has acknowledged `count` writes, and
/// returns all that it acknowledged.
fn kill_after(count: usize, directory: &Path) -> Vec<String> {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("state_store::embedded::what_was_acknowledged_survives_kill_9")
        .env(VICTIM, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut keep = |line: String| {
        if let Some(name) = line.strip_prefix("wrote ") {
            acknowledged.push(name.to_owned());
        }
        acknowledged.len()
    };
    while keep(lines.next().expect("the victim died early").unwrap()) < count {}
    victim.kill().unwrap();
    victim.wait().unwrap();
    // The last line may have been cut.
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    rest.into_iter().rev().skip(1).for_each(|line| {
        keep(line);
    });
    acknowledged
}

async fn write_until_killed(directory: &Path) -> ! {
    let store = Arc::new(EmbeddedStore::open(directory).unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0.. {
                let name = format!("{}-{writer}-{number}", std::process::id());
                write_and_acknowledge(&*store, &name).await;
            }
        });
    }
    writers.join_all().await;
    unreachable!("the writers never end")
}

async fn write_and_acknowledge(store: &dyn StateStore, name: &str) {
    let key = victim_key(name);
    store.put(&key, b"first", LONG).await.unwrap();
    let old = store.swap(&key, name.as_bytes(), LONG).await.unwrap();
    assert_eq!(old.as_deref(), Some(b"first".as_slice()));
    println!("wrote {name}");
}

/// Half of the records are of a kind that is synced, half of one that is not.
fn victim_key(name: &str) -> StateKey {
    let kind = if name.ends_with(['0', '2', '4', '6', '8']) {
        Kind::RefreshFamily
    } else {
        Kind::Code
    };
    StateKey::new(kind, name)
}
