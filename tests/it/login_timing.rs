//! c142: what a login costs must not tell whether the account exists. Not measured but counted: every
//! refusal asks the hasher exactly once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use countersign::{
    app::{App, StateOptions, Surroundings},
    application::{
        commands::log_in::{LogIn, LogInError, log_in},
        ports::{HashError, PasswordCheck, PasswordHasher},
        trail::Origin,
    },
    domain::user::PasswordHash,
    infrastructure::{clock::TestClock, random::SystemRng},
};

use super::support::{
    app::{USERNAME, options, seed, settings, start},
    sql::TestDatabase,
};

/// Counts what it is asked, and finds every password wrong.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl PasswordHasher for Counting {
    async fn hash(&self, _: &str) -> Result<PasswordHash, HashError> {
        Ok(PasswordHash::new("$argon2id$none"))
    }

    async fn verify(&self, _: &str, _: Option<&PasswordHash>) -> Result<PasswordCheck, HashError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(PasswordCheck::Wrong)
    }
}

#[tokio::test]
async fn c142_every_refusal_costs_one_hash_whether_the_account_exists_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::sqlite();
    let state = StateOptions::Embedded(folder.path().join("state"));
    let options = options(&folder, &database, state, settings());
    let hasher = Arc::new(Counting::default());
    let surroundings = Surroundings {
        clock: Arc::new(TestClock::at(start())),
        rng: Arc::new(SystemRng),
        passwords: hasher.clone(),
    };
    let app = App::build(&options, surroundings).await.unwrap();
    let ports = app.ports();
    let id = seed(ports).await;
    for name in [
        USERNAME,
        "nobody",
        "nobody@id.example",
        "ali\u{200b}ce",
        "",
        "\u{0}",
    ] {
        let before = hasher.0.load(Ordering::SeqCst);
        let command = LogIn {
            name,
            password: "wrong",
            current: None,
            device: None,
            client: None,
        };
        let refused = log_in(ports, command, &Origin::default()).await;
        assert!(matches!(refused, Err(LogInError::Rejected)), "{name:?}");
        assert_eq!(hasher.0.load(Ordering::SeqCst), before + 1, "{name:?}");
    }
    let work = ports.store.begin().await.unwrap();
    let mut user = work.user(&id).await.unwrap().unwrap();
    user.deactivate(start());
    work.update_user(&user).await.unwrap();
    work.commit().await.unwrap();
    let before = hasher.0.load(Ordering::SeqCst);
    let command = LogIn {
        name: USERNAME,
        password: "wrong",
        current: None,
        device: None,
        client: None,
    };
    assert!(log_in(ports, command, &Origin::default()).await.is_err());
    assert_eq!(hasher.0.load(Ordering::SeqCst), before + 1);
}
