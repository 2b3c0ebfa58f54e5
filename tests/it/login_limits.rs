//! How often a login may be tried, whatever way it is tried.

use countersign::application::{
    commands::log_in::{LogIn, LogInError, MAX_PASSWORD_BYTES, log_in},
    trail::Origin,
};

use super::support::app::{PASSWORD, TestApp, on_both};

async fn attempt(app: &TestApp, name: &str, password: &str) -> Result<(), LogInError> {
    let origin = Origin {
        address: Some("192.0.2.7".to_owned()),
        trace: None,
    };
    let command = LogIn {
        name,
        password,
        current: None,
    };
    log_in(app.ports(), command, &origin).await.map(|_| ())
}

async fn count(app: &TestApp, kind: &str) -> usize {
    let events = app.events().await;
    events.into_iter().filter(|event| *event == kind).count()
}

on_both! {
    async fn c143_a_hundred_parallel_guesses_hash_at_most_the_limit(app: TestApp) {
        let limit = app.ports().settings.login_limits.per_account;
        let guesses: Vec<String> = (0..100).map(|n| format!("guess {n}")).collect();
        let attempts = guesses.iter().map(|guess| attempt(&app, "alice", guess));
        let answers = futures_util::future::join_all(attempts).await;
        assert!(answers.iter().all(Result::is_err));
        let hashed = count(&app, "login.failed").await;
        assert!(hashed as u64 <= limit, "{hashed} passwords were hashed");
        assert_eq!(count(&app, "login.throttled").await, 100 - hashed);
        // Not even the right password is looked at until the window has passed.
        let right = attempt(&app, "alice", PASSWORD).await;
        assert!(matches!(right, Err(LogInError::Throttled)), "{right:?}");
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
            let next = attempt(&app, form, PASSWORD).await;
            assert!(matches!(next, Err(LogInError::Throttled)), "{form}: {next:?}");
        }
    }

    async fn a_login_that_succeeds_clears_the_failures_of_the_account(app: TestApp) {
        let limit = app.ports().settings.login_limits.per_account;
        for _ in 1..limit {
            assert!(attempt(&app, "alice", "wrong").await.is_err());
        }
        assert!(attempt(&app, "alice", PASSWORD).await.is_ok());
        assert!(attempt(&app, "alice", PASSWORD).await.is_ok());
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
