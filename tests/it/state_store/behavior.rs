//! What every state store does, whichever it is.

use std::{future::Future, sync::Arc, time::Duration};

use countersign::application::{
    ports::state::{Kind, StateError, StateKey, StateStore},
    state::{add_record, count, get_record, put_record, read_record, replace_record, swap_record},
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

type Store = Arc<dyn StateStore>;

const LONG: Duration = Duration::from_mins(5);
const SHORT: Duration = Duration::from_millis(50);
const TASKS: u8 = 50;

pub(super) async fn a_record_is_read_as_it_was_written(store: &Store) {
    store.put(&code("a"), b"one", LONG).await.unwrap();
    assert_eq!(read(store, &code("a")).await.unwrap(), b"one");
}

pub(super) async fn a_missing_record_is_absent(store: &Store) {
    assert_eq!(read(store, &code("a")).await, None);
}

pub(super) async fn put_overwrites(store: &Store) {
    store.put(&code("a"), b"one", LONG).await.unwrap();
    store.put(&code("a"), b"two", LONG).await.unwrap();
    assert_eq!(read(store, &code("a")).await.unwrap(), b"two");
}

pub(super) async fn add_writes_only_once(store: &Store) {
    assert!(store.add(&code("a"), b"one", LONG).await.unwrap());
    assert!(!store.add(&code("a"), b"two", LONG).await.unwrap());
    assert_eq!(read(store, &code("a")).await.unwrap(), b"one");
}

pub(super) async fn swap_returns_the_old_record_and_writes_the_new(store: &Store) {
    store.put(&code("a"), b"code", LONG).await.unwrap();
    let old = store.swap(&code("a"), b"tombstone", LONG).await.unwrap();
    assert_eq!(old.unwrap(), b"code");
    assert_eq!(read(store, &code("a")).await.unwrap(), b"tombstone");
}

pub(super) async fn swap_writes_nothing_where_nothing_was(store: &Store) {
    assert_eq!(
        store.swap(&code("a"), b"tombstone", LONG).await.unwrap(),
        None
    );
    assert_eq!(read(store, &code("a")).await, None);
}

pub(super) async fn swap_gives_new_time(store: &Store) {
    store.put(&code("a"), b"one", LONG).await.unwrap();
    store.swap(&code("a"), b"two", SHORT).await.unwrap();
    absent_soon(store, &code("a")).await;
}

pub(super) async fn what_is_swapped_in_outlives_what_it_replaced(store: &Store) {
    // On a slow machine a record may be gone before it is swapped: the next try gives it longer.
    for time in (1..).map(|tries| SHORT * tries) {
        store.put(&code("a"), b"one", time).await.unwrap();
        store.put(&code("b"), b"one", time).await.unwrap();
        if store
            .swap(&code("a"), b"two", LONG)
            .await
            .unwrap()
            .is_some()
        {
            absent_soon(store, &code("b")).await;
            break;
        }
    }
    assert_eq!(read(store, &code("a")).await.unwrap(), b"two");
}

pub(super) async fn many_records_are_read_in_the_order_of_their_keys(store: &Store) {
    assert!(store.get_many(&[]).await.unwrap().is_empty());
    store.put(&code("a"), b"one", LONG).await.unwrap();
    store.put(&family("a"), b"\r\n\0", LONG).await.unwrap();
    store.put(&code("old"), b"one", SHORT).await.unwrap();
    store.hit(&counter("a"), LONG).await.unwrap();
    absent_soon(store, &code("old")).await;
    let keys = [
        code("old"),
        family("a"),
        code("missing"),
        counter("a"),
        code("a"),
        family("a"),
    ];
    let expected = [
        None,
        Some(b"\r\n\0".to_vec()),
        None,
        Some(b"1".to_vec()),
        Some(b"one".to_vec()),
        Some(b"\r\n\0".to_vec()),
    ];
    assert_eq!(store.get_many(&keys).await.unwrap(), expected);
}

pub(super) async fn the_memory_of_a_store_that_runs_on_keeps_its_name(store: &Store) {
    let name = store.incarnation().await.unwrap();
    assert!(!name.is_empty());
    store.put(&code("a"), b"one", LONG).await.unwrap();
    assert_eq!(store.incarnation().await.unwrap(), name);
}

pub(super) async fn replace_needs_the_expected_record(store: &Store) {
    let key = family("a");
    assert!(!store.replace(&key, b"", b"two", LONG).await.unwrap());
    assert_eq!(read(store, &key).await, None);
    store.put(&key, b"one", LONG).await.unwrap();
    assert!(!store.replace(&key, b"other", b"two", LONG).await.unwrap());
    assert_eq!(read(store, &key).await.unwrap(), b"one");
    assert!(store.replace(&key, b"one", b"two", LONG).await.unwrap());
    assert_eq!(read(store, &key).await.unwrap(), b"two");
}

pub(super) async fn replace_gives_new_time(store: &Store) {
    let key = family("a");
    store.put(&key, b"one", LONG).await.unwrap();
    assert!(store.replace(&key, b"one", b"two", SHORT).await.unwrap());
    absent_soon(store, &key).await;
}

pub(super) async fn delete_says_whether_there_was_something(store: &Store) {
    assert!(!store.delete(&code("a")).await.unwrap());
    store.put(&code("a"), b"one", LONG).await.unwrap();
    assert!(store.delete(&code("a")).await.unwrap());
    assert!(!store.delete(&code("a")).await.unwrap());
    assert_eq!(read(store, &code("a")).await, None);
}

pub(super) async fn hit_counts_and_starts_again_after_its_window(store: &Store) {
    let (long, short) = (counter("long"), counter("short"));
    for expected in 1..=3 {
        assert_eq!(store.hit(&long, LONG).await.unwrap(), expected);
    }
    store.hit(&short, SHORT).await.unwrap();
    absent_soon(store, &short).await;
    assert_eq!(store.hit(&short, LONG).await.unwrap(), 1);
    assert_eq!(store.hit(&long, SHORT).await.unwrap(), 4);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(
        store.hit(&long, SHORT).await.unwrap(),
        5,
        "the window moved"
    );
}

pub(super) async fn many_events_are_counted_at_once(store: &Store) {
    let (long, short) = (counter("long"), counter("short"));
    assert_eq!(store.count(&long, 7, LONG).await.unwrap(), 7);
    assert_eq!(store.hit(&long, LONG).await.unwrap(), 8);
    assert_eq!(store.count(&long, 100, SHORT).await.unwrap(), 108);
    store.count(&short, 5, SHORT).await.unwrap();
    absent_soon(store, &short).await;
    assert_eq!(store.count(&short, 3, LONG).await.unwrap(), 3);
}

pub(super) async fn a_count_can_be_read_without_counting(store: &Store) {
    let key = counter("a");
    assert_eq!(count(&**store, &key).await.unwrap(), 0);
    for _ in 0..12 {
        store.hit(&key, LONG).await.unwrap();
    }
    assert_eq!(count(&**store, &key).await.unwrap(), 12);
    assert!(store.delete(&key).await.unwrap());
    assert_eq!(count(&**store, &key).await.unwrap(), 0);
}

pub(super) async fn an_expired_record_is_absent_to_every_operation(store: &Store) {
    for name in ["swap", "replace", "delete", "add"] {
        store.put(&code(name), b"one", SHORT).await.unwrap();
    }
    // What was written last expires last.
    absent_soon(store, &code("add")).await;
    assert!(!store.delete(&code("delete")).await.unwrap());
    assert_eq!(store.swap(&code("swap"), b"two", LONG).await.unwrap(), None);
    let stale = code("replace");
    assert!(!store.replace(&stale, b"one", b"two", LONG).await.unwrap());
    assert!(store.add(&code("add"), b"two", LONG).await.unwrap());
    assert_eq!(read(store, &code("add")).await.unwrap(), b"two");
    assert_eq!(read(store, &code("swap")).await, None);
}

pub(super) async fn an_extreme_time_to_live_is_accepted(store: &Store) {
    store
        .put(&code("none"), b"one", Duration::ZERO)
        .await
        .unwrap();
    absent_soon(store, &code("none")).await;
    store
        .put(&code("max"), b"one", Duration::MAX)
        .await
        .unwrap();
    assert_eq!(read(store, &code("max")).await.unwrap(), b"one");
    assert_eq!(store.hit(&counter("max"), Duration::MAX).await.unwrap(), 1);
}

pub(super) async fn bytes_of_any_kind_and_size_come_back(store: &Store) {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    for value in [
        Vec::new(),
        b"\r\n\0".to_vec(),
        all.clone(),
        all.repeat(1_000),
    ] {
        store.put(&code("a"), &value, LONG).await.unwrap();
        assert_eq!(read(store, &code("a")).await.unwrap(), value);
        assert!(
            store
                .replace(&code("a"), &value, &value, LONG)
                .await
                .unwrap()
        );
        assert_eq!(
            store.swap(&code("a"), &value, LONG).await.unwrap().unwrap(),
            value
        );
    }
}

pub(super) async fn c051_a_key_of_another_kind_finds_nothing(store: &Store) {
    let kinds = [
        Kind::Interaction,
        Kind::Session,
        Kind::RefreshFamily,
        Kind::AccessToken,
        Kind::RevokedToken,
        Kind::Assertion,
        Kind::Counter,
    ];
    store.put(&code("same"), b"one", LONG).await.unwrap();
    for kind in kinds {
        let other = StateKey::new(kind, "same");
        assert_eq!(read(store, &other).await, None, "{kind:?}");
        assert_eq!(store.swap(&other, b"two", LONG).await.unwrap(), None);
        assert!(!store.delete(&other).await.unwrap());
    }
    assert_eq!(read(store, &code("same")).await.unwrap(), b"one");
}

pub(super) async fn of_fifty_adds_one_wins(store: &Store) {
    let won = race(store, |store, task| async move {
        store
            .add(&code("a"), &[task], LONG)
            .await
            .unwrap()
            .then_some(task)
    });
    assert_one_winner_wrote(store, &code("a"), won.await).await;
}

pub(super) async fn of_fifty_swaps_one_sees_each_record(store: &Store) {
    store.put(&code("a"), b"code", LONG).await.unwrap();
    let mut seen = race(store, |store, task| async move {
        store.swap(&code("a"), &[task], LONG).await.unwrap()
    })
    .await;
    seen.push(store.get(&code("a")).await.unwrap().unwrap());
    seen.sort();
    let mut expected: Vec<_> = (0..TASKS).map(|task| vec![task]).collect();
    expected.push(b"code".to_vec());
    expected.sort();
    assert_eq!(seen, expected);
}

pub(super) async fn of_fifty_replaces_one_wins(store: &Store) {
    store.put(&family("a"), b"one", LONG).await.unwrap();
    let won = race(store, |store, task| async move {
        let replaced = store.replace(&family("a"), b"one", &[task], LONG).await;
        replaced.unwrap().then_some(task)
    });
    assert_one_winner_wrote(store, &family("a"), won.await).await;
}

pub(super) async fn of_fifty_deletes_one_wins(store: &Store) {
    store.put(&code("a"), b"one", LONG).await.unwrap();
    let won = race(store, |store, task| async move {
        store.delete(&code("a")).await.unwrap().then_some(task)
    });
    assert_eq!(won.await.len(), 1);
}

pub(super) async fn fifty_tasks_lose_no_hit(store: &Store) {
    let mut counts = race(store, |store, _| async move {
        Some(store.hit(&counter("a"), LONG).await.unwrap())
    })
    .await;
    counts.sort_unstable();
    let expected: Vec<_> = (1..=u64::from(TASKS)).collect();
    assert_eq!(counts, expected);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Turn {
    generation: u32,
    expires_at: i64,
}

fn turn(generation: u32) -> Turn {
    Turn {
        generation,
        expires_at: 1_800_000_000,
    }
}

pub(super) async fn typed_records_round_trip(store: &Store) {
    let (store, key) = (&**store, family("a"));
    assert!(add_record(store, &key, &turn(1), LONG).await.unwrap());
    assert!(!add_record(store, &key, &turn(9), LONG).await.unwrap());
    assert_eq!(get_record(store, &key).await.unwrap(), Some(turn(1)));
    let old: Option<Turn> = swap_record(store, &key, &turn(2), LONG).await.unwrap();
    assert_eq!(old, Some(turn(1)));
    put_record(store, &key, &turn(3), LONG).await.unwrap();
    assert_eq!(get_record(store, &key).await.unwrap(), Some(turn(3)));
    let nothing: Option<Turn> = get_record(store, &code("a")).await.unwrap();
    assert_eq!(nothing, None);
}

pub(super) async fn a_record_that_somebody_changed_is_not_replaced(store: &Store) {
    let (store, key) = (&**store, family("a"));
    // As an older version wrote it: what we would write today has no space.
    let older = br#"{"generation": 1, "expires_at": 1800000000}"#;
    store.put(&key, older, LONG).await.unwrap();
    let mine = read_record::<Turn>(store, &key).await.unwrap().unwrap();
    let theirs = read_record::<Turn>(store, &key).await.unwrap().unwrap();
    assert_eq!(mine.record, turn(1));
    assert!(
        replace_record(store, &key, &theirs, &turn(2), LONG)
            .await
            .unwrap()
    );
    assert!(
        !replace_record(store, &key, &mine, &turn(3), LONG)
            .await
            .unwrap()
    );
    assert_eq!(get_record(store, &key).await.unwrap(), Some(turn(2)));
}

pub(super) async fn a_record_of_another_shape_is_corrupt(store: &Store) {
    let key = family("a");
    store
        .put(&key, br#"{"token":"secret"}"#, LONG)
        .await
        .unwrap();
    let error = get_record::<Turn>(&**store, &key).await.unwrap_err();
    assert!(matches!(error, StateError::Corrupt));
    assert!(!format!("{error} {error:?}").contains("secret"));
    assert!(matches!(
        count(&**store, &key).await,
        Err(StateError::Corrupt)
    ));
}

fn code(name: &str) -> StateKey {
    StateKey::new(Kind::Code, name)
}

fn family(name: &str) -> StateKey {
    StateKey::new(Kind::RefreshFamily, name)
}

fn counter(name: &str) -> StateKey {
    StateKey::new(Kind::Counter, name)
}

async fn read(store: &Store, key: &StateKey) -> Option<Vec<u8>> {
    store.get(key).await.unwrap()
}

/// Waits until a record with a short time to live is gone.
async fn absent_soon(store: &Store, key: &StateKey) {
    let gone = async {
        while read(store, key).await.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), gone).await;
    waited.expect("the record outlives its time");
}

/// Lets fifty tasks do the same at once and returns what those that won got.
async fn race<T, F>(store: &Store, act: impl Fn(Store, u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = Option<T>> + Send + 'static,
{
    let tasks: JoinSet<_> = (0..TASKS).map(|task| act(store.clone(), task)).collect();
    tasks.join_all().await.into_iter().flatten().collect()
}

async fn assert_one_winner_wrote(store: &Store, key: &StateKey, won: Vec<u8>) {
    assert_eq!(won.len(), 1, "winners: {won:?}");
    assert_eq!(read(store, key).await.unwrap(), won);
}
