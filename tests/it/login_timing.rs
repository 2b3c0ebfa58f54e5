//! What logins cost (security.md 142, 143, 148, 149), over HTTP. Not measured but counted: every hash
//! that is computed goes through the real queue, behind a counter. A refusal that could tell about an
//! account computes exactly one, of today's cost; one that tells nothing computes none.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    application::ports::{HashError, PasswordCheck, PasswordHasher},
    domain::user::{PasswordHash, Username},
    infrastructure::{
        password::{Argon2Hasher, PasswordCost, PasswordLoad},
        random::SystemRng,
    },
};

use super::guard::server_config;
use super::support::app::{
    Answer, Browser, PASSWORD, Stage, TestApp, USERNAME, encode, hidden_fields, on_both, send,
    settings, start, user, weak_hasher,
};

/// The real hasher, and how often it computed something.
struct Counted {
    inner: Arc<dyn PasswordHasher>,
    hashes: AtomicUsize,
}

impl Counted {
    fn new(inner: Arc<dyn PasswordHasher>) -> Arc<Self> {
        let hashes = AtomicUsize::new(0);
        Arc::new(Self { inner, hashes })
    }

    fn hashes(&self) -> usize {
        self.hashes.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl PasswordHasher for Counted {
    async fn hash(&self, password: &str) -> Result<PasswordHash, HashError> {
        let hash = self.inner.hash(password).await?;
        self.hashes.fetch_add(1, Ordering::SeqCst);
        Ok(hash)
    }

    async fn verify(
        &self,
        password: &str,
        stored: Option<&PasswordHash>,
    ) -> Result<PasswordCheck, HashError> {
        let check = self.inner.verify(password, stored).await?;
        self.hashes.fetch_add(1, Ordering::SeqCst);
        Ok(check)
    }
}

/// A browser at the login page, and the page's hidden fields.
async fn at_login(app: &TestApp) -> (Browser<'_>, Vec<(String, String)>) {
    let mut browser = Browser::new(app);
    let location = browser.authorize("web", &[]).await.location().to_owned();
    let page = browser.get(&location).await;
    (browser, hidden_fields(&page.body))
}

async fn log_in(app: &TestApp, name: &str, password: &str) -> Answer {
    let (mut browser, fields) = at_login(app).await;
    browser
        .post("/login", &filled(&fields, name, password))
        .await
}

fn filled<'a>(
    fields: &'a [(String, String)],
    name: &'a str,
    password: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let hidden = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    hidden
        .chain([("username", name), ("password", password)])
        .collect()
}

/// The same attempt for each of these names, all at once, of a browser that nobody knows.
async fn at_once(app: &TestApp, names: &[String], password: &str) -> Vec<Answer> {
    let (browser, fields) = at_login(app).await;
    let cookies: Vec<String> = browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let attempts = names.iter().map(|name| {
        let request = Request::post("/login")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookies.join("; "))
            .body(Body::from(encode(&filled(&fields, name, password))))
            .unwrap();
        send(&app.router, request)
    });
    futures_util::future::join_all(attempts).await
}

/// An account that has no password yet.
async fn without_password(app: &TestApp, name: &str) {
    let mut account = user(&countersign::domain::id::UserId::new(
        uuid::Uuid::new_v4().to_string(),
    ));
    account.username = Username::parse(name).unwrap();
    account.email = None;
    let work = app.begin().await;
    work.add_user(&account).await.unwrap();
    work.commit().await.unwrap();
}

on_both! {
    async fn c142_every_refusal_costs_one_hash_whether_the_account_exists_or_not(app: TestApp) {
        let counted = Counted::new(weak_hasher());
        let app = app.restarted_with(counted.clone()).await;
        without_password(&app, "fresh").await;
        app.add_user("gone").await;
        let work = app.begin().await;
        let (mut gone, _) = app.ports().store.reader().user_by_login("gone").await.unwrap().unwrap();
        gone.deactivate(start());
        work.update_user(&gone).await.unwrap();
        work.commit().await.unwrap();
        let mut sizes = std::collections::BTreeSet::new();
        for (why, name, password) in [
            ("wrong", USERNAME, "wrong"),
            ("wrong, by address", "alice@id.example", "wrong"),
            ("wrong, in capitals", "ALICE", "wrong"),
            ("absent", "nobody", "wrong"),
            ("absent address", "nobody@id.example", "wrong"),
            ("no name at all", "", "wrong"),
            ("no password typed", USERNAME, ""),
            ("neither", "", ""),
            ("invisible letters", "ali\u{200b}ce", "wrong"),
            ("a name beyond all names", &"n".repeat(2_000), "wrong"),
            ("no password set", "fresh", "wrong"),
            ("no password set, none typed", "fresh", ""),
            ("deactivated", "gone", PASSWORD),
            ("deactivated, wrong", "gone", "wrong"),
        ] {
            let before = counted.hashes();
            let answer = log_in(&app, name, password).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{why}");
            assert_eq!(counted.hashes(), before + 1, "{why}");
            let shown = format!("value=\"{name}\"");
            sizes.insert(answer.body.replace(&shown, "value=\"\"").len());
        }
        assert_eq!(sizes.len(), 1, "the answers differ: {sizes:?}");
    }

    async fn c142_over_the_cap_and_over_length_nobody_is_told_apart(app: TestApp) {
        let counted = Counted::new(weak_hasher());
        let app = app.restarted_with(counted.clone()).await;
        without_password(&app, "fresh").await;
        for name in [USERNAME, "nobody", "fresh", ""] {
            for _ in 0..app.ports().settings.login_limits.per_account {
                assert_eq!(log_in(&app, name, "wrong").await.status, StatusCode::UNPROCESSABLE_ENTITY);
            }
            let before = counted.hashes();
            for password in ["wrong", PASSWORD] {
                let answer = log_in(&app, name, password).await;
                assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
                assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
            }
            let answer = log_in(&app, name, &"x".repeat(1025)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
            assert_eq!(counted.hashes(), before, "{name}");
        }
    }

    async fn c143_a_hundred_parallel_posts_hash_at_most_the_limit(app: TestApp) {
        let counted = Counted::new(weak_hasher());
        let app = app.restarted_with(counted.clone()).await;
        let limit = usize::try_from(app.ports().settings.login_limits.per_account).unwrap();
        let spellings = ["alice", "ALICE", "Alice", "\u{ff21}lice", " alice ", "al\u{0130}ce"];
        let names: Vec<String> = (0..100).map(|n| spellings[n % 5].to_owned()).collect();
        let answers = at_once(&app, &names, "wrong").await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        // A database without a free connection refuses some before they are counted.
        let busy = count(StatusCode::SERVICE_UNAVAILABLE);
        assert!((1..=limit).contains(&counted.hashes()), "{}", counted.hashes());
        assert_eq!(count(StatusCode::UNPROCESSABLE_ENTITY), counted.hashes());
        assert_eq!(count(StatusCode::TOO_MANY_REQUESTS) + counted.hashes() + busy, 100);
        assert_eq!(log_in(&app, "aLiCe", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
        // Another letter that only looks alike is another name, with a bucket of its own.
        assert_eq!(log_in(&app, spellings[5], "wrong").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn c148_a_megabyte_of_password_is_refused_before_it_is_hashed(app: TestApp) {
        let counted = Counted::new(weak_hasher());
        let app = app.restarted_with(counted.clone()).await;
        let router = app.app.guarded_router(&server_config());
        for (length, status) in [(1_025, 400), (4_096, 400), (60_000, 400), (1_000_000, 413)] {
            for name in [USERNAME, "\u{ff21}\u{ff2c}\u{ff29}\u{ff23}\u{ff25}", "nobody"] {
                let (browser, fields) = at_login(&app).await;
                let (cookie, value) = browser.cookies.first_key_value().unwrap();
                let body = encode(&filled(&fields, name, &"x".repeat(length)));
                let request = Request::post("/login")
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(header::COOKIE, format!("{cookie}={value}"))
                    .body(Body::from(body))
                    .unwrap();
                assert_eq!(send(&router, request).await.status, status, "{name} {length}");
            }
        }
        assert_eq!(counted.hashes(), 0);
        assert!(!app.events().await.contains(&"login.failed"));
    }

    async fn c150_no_account_can_be_made_that_looks_like_another(app: TestApp) {
        let registrar = app.registrar();
        for name in ["ALICE", "\u{ff21}\u{ff2c}\u{ff29}\u{ff23}\u{ff25}", " alice", "\u{24d0}lice", "ali\u{200b}ce", "alice\u{ad}", "a\u{2060}lice", "\u{202e}alice", "alice\u{fe0f}"] {
            let command = countersign::application::commands::register_user::RegisterUser {
                username: name.to_owned(),
                email: None,
                profile: countersign::domain::user::Profile::default(),
                password: Some("another long password".to_owned().into()),
            };
            let made = countersign::application::commands::register_user::register_user(&registrar, command).await;
            assert!(made.is_err(), "{name:?}");
        }
        // Whoever types such a name is the one account, or nobody.
        for (name, status) in [("\u{24d0}lice", StatusCode::SEE_OTHER), ("a\u{2060}lice", StatusCode::UNPROCESSABLE_ENTITY)] {
            assert_eq!(log_in(&app, name, PASSWORD).await.status, status, "{name:?}");
            assert_eq!(log_in(&app, name, "another long password").await.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
        }
    }
}

/// One worker, four places before it, and hashes that take a while.
fn narrow() -> Arc<dyn PasswordHasher> {
    let cost = PasswordCost {
        memory_kib: 64 * 1024,
        passes: 2,
        lanes: 1,
    };
    let load = PasswordLoad {
        workers: NonZeroUsize::MIN,
        queue: 4,
        deadline: Duration::from_mins(10),
    };
    Arc::new(Argon2Hasher::start(cost, load, Arc::new(SystemRng)).unwrap())
}

#[tokio::test]
async fn c149_of_five_hundred_posts_at_once_a_few_are_hashed_and_the_rest_is_told_to_come_back() {
    for stage in [Stage::Embedded, Stage::Servers] {
        let mut settings = settings();
        settings.login_limits.per_address = 1_000_000;
        // Nobody but the hasher may run out of patience here.
        let app = TestApp::start_on(stage, None, settings, |options| {
            options.sql = super::support::sql::options();
        })
        .await;
        let counted = Counted::new(narrow());
        let app = app.restarted_with(counted.clone()).await;
        let names: Vec<String> = (0..500).map(|n| format!("user{n}")).collect();
        let answers = at_once(&app, &names, "wrong").await;
        let (told, hashed): (Vec<_>, Vec<_>) = answers
            .iter()
            .partition(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(hashed.len(), counted.hashes(), "{stage:?}");
        assert!(
            !hashed.is_empty() && !told.is_empty(),
            "{stage:?}: {}",
            told.len()
        );
        for answer in hashed {
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{stage:?}");
        }
        for answer in told {
            assert!(
                answer.header("retry-after").parse::<u64>().unwrap() > 0,
                "{stage:?}"
            );
            assert!(
                answer.body.contains("action=\"/login"),
                "the form is there again"
            );
        }
        // Afterwards everybody is served.
        let answer = log_in(&app, "somebody", "wrong").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{stage:?}");
    }
}

on_both! {
    async fn c142_the_json_login_costs_the_same_one_hash(app: TestApp) {
        use countersign::domain::{
            client::ConsentPolicy,
            client_rights::{ClientRights, FirstPartyLogin},
        };

        let counted = Counted::new(weak_hasher());
        let app = app.restarted_with(counted.clone()).await;
        without_password(&app, "fresh").await;
        app.change_client("spa", |client| {
            client.consent = ConsentPolicy::Implied;
            client.rights = ClientRights {
                first_party_login: FirstPartyLogin::Allowed,
                ..ClientRights::default()
            };
        })
        .await;
        let mut answers = std::collections::BTreeSet::new();
        for name in [USERNAME, "ALICE", "nobody", "ali\u{200b}ce", "fresh", ""] {
            let before = counted.hashes();
            let body = serde_json::json!({ "client_id": "spa", "username": name, "password": "wrong" });
            let request = Request::post("/api/auth/login").header(header::CONTENT_TYPE, "application/json");
            let answer = app.send(request.body(Body::from(body.to_string())).unwrap()).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name:?}");
            assert_eq!(counted.hashes(), before + 1, "{name:?}");
            answers.insert(answer.body);
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
}
