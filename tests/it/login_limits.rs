//! How often a login may be tried, whatever way it is tried.

use std::time::Duration;

use countersign::{
    application::{
        commands::{
            change_user::{set_password, unlock},
            log_in::{LogIn, LogInError, MAX_PASSWORD_BYTES, log_in},
        },
        registrar::Registrar,
        trail::Origin,
    },
    domain::id::UserId,
    protocol::known_device::Device,
};

use super::support::app::{PASSWORD, TestApp, on_both};

const HOME: &str = "192.0.2.7";

async fn attempt(app: &TestApp, name: &str, password: &str) -> Result<(), LogInError> {
    attempt_from(app, (HOME, None), name, password).await
}

async fn attempt_from(
    app: &TestApp,
    (address, device): (&str, Option<&Device>),
    name: &str,
    password: &str,
) -> Result<(), LogInError> {
    let origin = Origin {
        address: Some(address.to_owned()),
        ..Origin::default()
    };
    let command = LogIn {
        name,
        password,
        current: None,
        device,
        client: None,
    };
    log_in(app.ports(), command, &origin).await.map(|_| ())
}

/// Wrong passwords for alice until no more is taken from this address.
async fn lock(app: &TestApp, address: &str) {
    for _ in 0..app.ports().settings.login_limits.per_account {
        let wrong = attempt_from(app, (address, None), "alice", "wrong").await;
        assert!(matches!(wrong, Err(LogInError::Rejected)), "{wrong:?}");
    }
    assert_limited(attempt_from(app, (address, None), "alice", PASSWORD).await);
}

#[track_caller]
fn assert_limited(answer: Result<(), LogInError>) -> Duration {
    match answer {
        Err(LogInError::Throttled { wait }) => wait,
        other => panic!("{other:?}"),
    }
}

async fn count(app: &TestApp, kind: &str) -> usize {
    let events = app.events().await;
    events.into_iter().filter(|event| *event == kind).count()
}

/// The users that events of this kind name.
async fn named(app: &TestApp, kind: &str) -> Vec<Option<UserId>> {
    let page = countersign::application::ports::Page {
        after: None,
        limit: 1000,
    };
    let events = app.ports().store.reader().events(&page).await.unwrap();
    let events = events.into_iter().filter(|e| e.kind.as_str() == kind);
    events.map(|event| event.user).collect()
}

/// What the command line has: SQL, and no state store.
fn registrar(app: &TestApp) -> Registrar {
    app.registrar()
}

on_both! {
    async fn c143_a_hundred_parallel_guesses_hash_at_most_the_limit(app: TestApp) {
        let limit = app.ports().settings.login_limits.per_account;
        let guesses: Vec<String> = (0..100).map(|n| format!("guess {n}")).collect();
        let attempts = guesses.iter().map(|guess| attempt(&app, "alice", guess));
        let answers = futures_util::future::join_all(attempts).await;
        assert!(answers.iter().all(Result::is_err));
        let hashed = count(&app, "login.failed").await;
        assert_eq!(hashed as u64, limit, "passwords that were hashed");
        assert_eq!(count(&app, "login.throttled").await, 1, "one event for a window");
        assert_limited(attempt(&app, "alice", PASSWORD).await);
    }

    async fn c144_case_and_unicode_forms_of_a_name_share_one_limit(app: TestApp) {
        let limit = app.ports().settings.login_limits.per_account;
        let forms = ["alice", "ALICE", " Alice ", "\u{ff21}\u{ff2c}\u{ff29}\u{ff23}\u{ff25}"];
        for n in 0..limit {
            let form = forms[usize::try_from(n).unwrap() % forms.len()];
            let wrong = attempt(&app, form, "wrong").await;
            assert!(matches!(wrong, Err(LogInError::Rejected)), "{form}: {wrong:?}");
        }
        for form in forms {
            assert_limited(attempt(&app, form, PASSWORD).await);
        }
    }

    async fn c144_wrong_passwords_from_one_network_lock_nobody_out_elsewhere(app: TestApp) {
        lock(&app, "203.0.113.9").await;
        // However many more come from there, they do not use up what everybody has.
        for _ in 0..200 {
            assert_limited(attempt_from(&app, ("203.0.113.9", None), "alice", "wrong").await);
        }
        assert!(attempt(&app, "alice", PASSWORD).await.is_ok());
        assert_eq!(named(&app, "login.throttled").await, [Some(app.user.clone())]);
    }

    async fn c145_a_known_browser_enters_while_strangers_guess_from_everywhere(app: TestApp) {
        let key = &app.ports().device_key;
        let known = key.remember(Device::new([1; 16]), &app.user);
        let limits = app.ports().settings.login_limits.clone();
        let networks = limits.per_account_total / limits.per_account;
        for n in 0..networks {
            lock(&app, &format!("203.0.113.{n}")).await;
        }
        // The bound over all networks, for those who were never here.
        assert_limited(attempt(&app, "alice", PASSWORD).await);
        let stranger = Device::new([2; 16]);
        assert_limited(attempt_from(&app, (HOME, Some(&stranger)), "alice", PASSWORD).await);
        let others = key.remember(Device::new([3; 16]), &UserId::new("somebody else"));
        assert_limited(attempt_from(&app, (HOME, Some(&others)), "alice", PASSWORD).await);
        // Even in the network of an attacker.
        assert!(attempt_from(&app, ("203.0.113.0", Some(&known)), "alice", PASSWORD).await.is_ok());
        for _ in 0..limits.per_account {
            assert!(attempt_from(&app, (HOME, Some(&known)), "alice", "wrong").await.is_err());
        }
        assert_limited(attempt_from(&app, (HOME, Some(&known)), "alice", PASSWORD).await);
    }

    async fn c144_the_answer_says_how_long_to_wait_and_the_wait_is_enough(app: TestApp) {
        lock(&app, HOME).await;
        let wait = assert_limited(attempt(&app, "alice", PASSWORD).await);
        assert!(wait > Duration::ZERO && wait <= app.ports().settings.login_limits.window, "{wait:?}");
        app.clock.advance(wait);
        assert!(attempt(&app, "alice", PASSWORD).await.is_ok());
    }

    async fn c144_an_operator_unlocks_and_a_new_password_does_too(app: TestApp) {
        let registrar = registrar(&app);
        lock(&app, HOME).await;
        unlock(&registrar, "alice").await.unwrap();
        assert!(attempt(&app, "alice", PASSWORD).await.is_ok());
        assert_eq!(named(&app, "user.unlocked").await, [Some(app.user.clone())]);
        lock(&app, HOME).await;
        let new = "another long password";
        set_password(&registrar, "alice", &new.to_owned().into()).await.unwrap();
        assert!(attempt(&app, "alice", new).await.is_ok());
    }

    async fn a_login_that_succeeds_clears_the_failures_of_the_account(app: TestApp) {
        let limit = app.ports().settings.login_limits.per_account;
        for _ in 1..limit {
            assert!(attempt(&app, "alice", "wrong").await.is_err());
        }
        for _ in 0..limit {
            assert!(attempt(&app, "alice", PASSWORD).await.is_ok());
        }
    }

    async fn failures_over_many_accounts_stop_their_network(app: TestApp) {
        let limits = app.ports().settings.login_limits.clone();
        for n in 0..limits.per_address {
            let wrong = attempt(&app, &format!("user{n}"), "wrong").await;
            assert!(matches!(wrong, Err(LogInError::Rejected)), "{wrong:?}");
        }
        for _ in 0..3 {
            assert_limited(attempt(&app, "alice", PASSWORD).await);
        }
        assert_eq!(count(&app, "login.throttled").await, 1);
        assert!(attempt_from(&app, ("203.0.113.9", None), "alice", PASSWORD).await.is_ok());
    }

    async fn c148_a_huge_password_is_refused_before_it_is_hashed(app: TestApp) {
        let huge = "a".repeat(1024 * 1024);
        let answer = attempt(&app, "alice", &huge).await;
        assert!(matches!(answer, Err(LogInError::TooLong)), "{answer:?}");
        let long = "a".repeat(MAX_PASSWORD_BYTES);
        let answer = attempt(&app, "alice", &long).await;
        assert!(matches!(answer, Err(LogInError::Rejected)), "{answer:?}");
        assert_eq!(count(&app, "login.failed").await, 1);
    }
}
