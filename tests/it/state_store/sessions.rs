//! What browser sessions are promised on every state store.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use countersign::{
    application::ports::{Clock, state::StateStore},
    domain::time::Timestamp,
    infrastructure::state::{EmbeddedStore, StateSessions},
};
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;
use tower_sessions::{
    Expiry, Session, SessionStore,
    session::{Id, Record},
};

type Store = Arc<dyn StateStore>;

const NOON: i64 = 1_800_000_000;
const HOUR: i64 = 3_600;

pub(super) async fn a_session_is_loaded_as_it_was_created(store: &Store) {
    let (sessions, _) = sessions(store);
    let mut record = record("alice");
    sessions.create(&mut record).await.unwrap();
    assert_eq!(sessions.load(&record.id).await.unwrap(), Some(record));
    assert_eq!(sessions.load(&Id::default()).await.unwrap(), None);
}

pub(super) async fn a_session_id_that_is_taken_is_replaced(store: &Store) {
    let (sessions, _) = sessions(store);
    let mut first = record("alice");
    sessions.create(&mut first).await.unwrap();
    let mut second = record("bob");
    second.id = first.id;
    sessions.create(&mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(sessions.load(&first.id).await.unwrap(), Some(first));
    assert_eq!(sessions.load(&second.id).await.unwrap(), Some(second));
}

pub(super) async fn a_save_updates_data_and_expiry(store: &Store) {
    let (sessions, _) = sessions(store);
    let mut record = record("alice");
    sessions.create(&mut record).await.unwrap();
    record.data.insert("step".to_owned(), 2.into());
    record.expiry_date += Duration::HOUR;
    sessions.save(&record).await.unwrap();
    assert_eq!(sessions.load(&record.id).await.unwrap(), Some(record));
}

pub(super) async fn a_late_save_does_not_revive_a_session_that_ended(store: &Store) {
    let (sessions, _) = sessions(store);
    let sessions = Arc::new(sessions);
    let first = session(None, &sessions);
    first.insert("user", "alice").await.unwrap();
    first.save().await.unwrap();
    let id = first.id();

    let slow = session(id, &sessions);
    slow.insert("seen", "page").await.unwrap();
    session(id, &sessions).flush().await.unwrap();
    slow.save().await.unwrap();

    assert_eq!(sessions.load(&id.unwrap()).await.unwrap(), None);
}

pub(super) async fn a_save_of_an_unknown_session_creates_nothing(store: &Store) {
    let (sessions, _) = sessions(store);
    let record = record("alice");
    sessions.save(&record).await.unwrap();
    assert_eq!(sessions.load(&record.id).await.unwrap(), None);
}

pub(super) async fn of_parallel_tabs_the_last_wins_and_none_fails(store: &Store) {
    let (sessions, _) = sessions(store);
    let mut record = record("alice");
    sessions.create(&mut record).await.unwrap();
    let tabs: JoinSet<_> = (0..20)
        .map(|tab| save_tab(&sessions, &record, tab))
        .collect();
    tabs.join_all().await;
    let left = sessions.load(&record.id).await.unwrap().unwrap();
    assert_eq!(left.data["user"], "alice");
    assert!(left.data["tab"].is_number());
}

pub(super) async fn no_tab_revives_a_session_while_it_is_deleted(store: &Store) {
    let (sessions, _) = sessions(store);
    let mut record = record("alice");
    sessions.create(&mut record).await.unwrap();
    let mut tabs: JoinSet<_> = (0..20)
        .map(|tab| save_tab(&sessions, &record, tab))
        .collect();
    let (logout, id) = (sessions.clone(), record.id);
    tabs.spawn(async move { logout.delete(&id).await.unwrap() });
    tabs.join_all().await;
    assert_eq!(sessions.load(&record.id).await.unwrap(), None);
}

pub(super) async fn an_expired_session_is_gone_by_the_injected_clock(store: &Store) {
    let (sessions, clock) = sessions(store);
    let mut record = record("alice");
    sessions.create(&mut record).await.unwrap();
    clock.0.store(NOON + HOUR - 1, Ordering::Relaxed);
    assert!(sessions.load(&record.id).await.unwrap().is_some());
    clock.0.store(NOON + HOUR, Ordering::Relaxed);
    assert_eq!(sessions.load(&record.id).await.unwrap(), None);
}

pub(super) async fn c138_a_renewed_session_leaves_its_old_id_dead(store: &Store) {
    let (sessions, _) = sessions(store);
    let sessions = Arc::new(sessions);
    let session = session(None, &sessions);
    session.insert("user", "alice").await.unwrap();
    session.save().await.unwrap();
    let old = session.id().unwrap();
    session.cycle_id().await.unwrap();
    session.save().await.unwrap();
    let new = session.id().unwrap();
    assert_ne!(old, new);
    assert_eq!(sessions.load(&old).await.unwrap(), None);
    assert_eq!(
        sessions.load(&new).await.unwrap().unwrap().data["user"],
        "alice"
    );
}

#[tokio::test]
async fn c188_a_stolen_store_does_not_tell_a_session_id() {
    let directory = tempfile::tempdir().unwrap();
    let store: Store = Arc::new(EmbeddedStore::open(directory.path()).unwrap());
    let mut record = record("alice");
    sessions(&store).0.create(&mut record).await.unwrap();
    drop(store);
    assert!(
        holds(directory.path(), b"alice"),
        "we look in the wrong place"
    );
    assert!(!holds(directory.path(), record.id.to_string().as_bytes()));
    assert!(!holds(directory.path(), record.id.0.to_string().as_bytes()));
    assert!(!holds(directory.path(), &record.id.0.to_le_bytes()));
}

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

fn sessions(store: &Store) -> (StateSessions, Arc<TestClock>) {
    let clock = Arc::new(TestClock(AtomicI64::new(NOON)));
    (StateSessions::new(store.clone(), clock.clone()), clock)
}

fn session(id: Option<Id>, sessions: &Arc<StateSessions>) -> Session {
    Session::new(id, sessions.clone(), Some(Expiry::AtDateTime(in_an_hour())))
}

fn record(user: &str) -> Record {
    Record {
        id: Id::default(),
        data: [("user".to_owned(), user.into())].into(),
        expiry_date: in_an_hour(),
    }
}

fn in_an_hour() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOON + HOUR).unwrap()
}

fn save_tab(
    sessions: &StateSessions,
    record: &Record,
    tab: i32,
) -> impl Future<Output = ()> + use<> {
    let (sessions, mut record) = (sessions.clone(), record.clone());
    record.data.insert("tab".to_owned(), tab.into());
    async move { sessions.save(&record).await.unwrap() }
}

/// Whether any file below `directory` contains `bytes`.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let content = fs::read(path).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}
