//! The whole provider for one test: the real router over real stores, with a clock that tests turn.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    app::{App, AppOptions, Surroundings},
    application::{
        Ports,
        administration::Acting,
        commands::change_client::rotate_client_secret,
        ports::{PasswordHasher, UnitOfWork},
        registrar::Registrar,
        settings::Settings,
    },
    domain::{
        algorithm::{EncryptionKey, KeyAlgorithm, SigningAlgorithm},
        client::Client,
        id::{ClientId, UserId},
        user::{User, Username},
    },
    infrastructure::{
        clock::TestClock,
        outbound::OutboundOptions,
        password::{Argon2Hasher, PasswordCost, PasswordLoad},
        random::SystemRng,
    },
    protocol::{capability::Features, jwks::KeyPolicy},
    web::pages::ServerMode,
};
use tempfile::TempDir;

pub(crate) use super::{
    answer::{Answer, basic, claims, encode, form, param, random_offset, raw, send},
    browser::{Browser, authorize_uri, hidden_fields},
    fixtures::{
        CALLBACK, CHALLENGE, ISSUER, PASSWORD, SECRET, USERNAME, VERIFIER, client, seed, settings,
        start, user,
    },
};
use super::{redis, sql::TestDatabase};

/// What the provider stands on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// SQLite and the embedded state store.
    Embedded,
    /// PostgreSQL and Redis.
    Servers,
}

/// Declares a test that runs on both stages: `on_both! { async fn name(app: TestApp) { … } }`.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every body names something of its file")]
            use super::*;

            async fn run($app: $crate::support::app::TestApp) $body

            #[tokio::test]
            async fn on_sqlite_and_the_embedded_store() {
                run($crate::support::app::TestApp::start($crate::support::app::Stage::Embedded).await).await;
            }

            #[tokio::test]
            async fn on_postgres_and_redis() {
                run($crate::support::app::TestApp::start($crate::support::app::Stage::Servers).await).await;
            }
        }
    )+};
}
pub(crate) use on_both;

/// A provider of its own for one test.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) router: Router,
    pub(crate) user: UserId,
    options: AppOptions,
    database: TestDatabase,
    folder: TempDir,
}

impl TestApp {
    /// Starts a provider with a user and the clients `web`, `spa`, `post`, `service` and `other`.
    pub(crate) async fn start(stage: Stage) -> Self {
        Self::start_with(stage, |_| ()).await
    }

    /// The same, offering every response type.
    pub(crate) async fn start_with_every_response_type(stage: Stage) -> Self {
        Self::start_with(stage, |settings| {
            settings.features = Features::all(SigningAlgorithm::USUAL.iter().copied());
        })
        .await
    }

    /// A provider with keys for these signatures, and for encryption of both kinds.
    pub(crate) async fn start_with_keys(stage: Stage, signing: &[SigningAlgorithm]) -> Self {
        let mut settings = settings();
        let encryption = EncryptionKey::ALL.iter().copied();
        settings.features =
            Features::all(signing.iter().copied()).with_encryption(encryption.clone());
        let keys = signing.iter().copied().map(KeyAlgorithm::Signing);
        let keys = keys
            .chain(encryption.map(KeyAlgorithm::Encryption))
            .collect();
        Self::start_on(stage, None, settings, |options| {
            options.key_policy.algorithms = keys;
        })
        .await
    }

    /// A provider that reaches servers of clients in these private networks, which have certificates of
    /// this authority.
    pub(crate) async fn start_reaching(
        stage: Stage,
        networks: &[&str],
        authority: &std::path::Path,
    ) -> Self {
        let outbound = OutboundOptions {
            allowed_networks: networks.iter().map(|it| it.parse().unwrap()).collect(),
            ca_file: Some(authority.to_owned()),
        };
        Self::start_on(stage, None, settings(), |options| {
            options.outbound = outbound;
        })
        .await
    }

    /// The same with other settings.
    pub(crate) async fn start_with(stage: Stage, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        Self::start_on(stage, None, settings, |_| ()).await
    }

    /// The same with a Redis server of the test's own, and further options.
    pub(crate) async fn start_on(
        stage: Stage,
        redis_url: Option<String>,
        settings: Settings,
        change: impl FnOnce(&mut AppOptions),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (database, store) = match stage {
            Stage::Embedded => (
                TestDatabase::sqlite(),
                countersign::app::StateOptions::Embedded(folder.path().join("state")),
            ),
            Stage::Servers => {
                let url = if let Some(url) = redis_url {
                    url
                } else {
                    let shared = tokio::task::spawn_blocking(redis::shared_url);
                    shared.await.unwrap().to_owned()
                };
                (
                    TestDatabase::postgres().await,
                    countersign::app::StateOptions::Redis(redis::options(&url)),
                )
            }
        };
        let mut options = options(&folder, &database, store, settings);
        change(&mut options);
        let clock = Arc::new(TestClock::at(start()));
        let app = build(&options, &clock).await;
        let user = seed(app.ports()).await;
        Self {
            router: app.router(),
            app,
            clock,
            user,
            options,
            database,
            folder,
        }
    }

    /// The use cases' surroundings.
    pub(crate) fn ports(&self) -> &Ports {
        self.app.ports()
    }

    /// What the command line has.
    pub(crate) fn registrar(&self) -> Registrar {
        Registrar::of(self.ports(), Acting::Operator)
    }

    /// Where the database is.
    pub(crate) fn database_url(&self) -> &str {
        self.database.url()
    }

    /// The provider after it was stopped and started again on the same stores.
    pub(crate) async fn restarted(self) -> Self {
        self.restarted_with(weak_hasher()).await
    }

    /// The same with a password hasher of the test's own.
    pub(crate) async fn restarted_with(self, passwords: Arc<dyn PasswordHasher>) -> Self {
        let Self {
            app,
            clock,
            router,
            user,
            options,
            database,
            folder,
        } = self;
        // The embedded store belongs to one process at a time: every handle to it must go first.
        drop((app, router));
        let mut app = None;
        for _ in 0..200 {
            match try_build(&options, &clock, passwords.clone()).await {
                Ok(built) => {
                    app = Some(built);
                    break;
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
        let app = app.expect("the stores open again");
        Self {
            router: app.router(),
            app,
            clock,
            user,
            options,
            database,
            folder,
        }
    }

    /// Runs SQL behind the provider's back.
    pub(crate) async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// A second node on the same stores. Only where they are servers.
    pub(crate) async fn another_node(&self) -> App {
        self.another_node_at(&self.clock).await
    }

    /// A second node on the same database, with a state store of its own where that is embedded.
    pub(crate) async fn second_worker(&self) -> App {
        let mut options = self.options.clone();
        if let countersign::app::StateOptions::Embedded(directory) = &mut options.state {
            *directory = self.folder.path().join("another-state");
        }
        build(&options, &self.clock).await
    }

    /// The same with a clock of its own.
    pub(crate) async fn another_node_at(&self, clock: &Arc<TestClock>) -> App {
        build(&self.options, clock).await
    }

    /// Sends one request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }

    /// GET without cookies.
    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(Request::get(uri).body(Body::empty()).unwrap())
            .await
    }

    /// POST of a form with HTTP Basic credentials.
    pub(crate) async fn post_as(&self, client: &str, uri: &str, fields: &[(&str, &str)]) -> Answer {
        let request = form(uri, fields).header(header::AUTHORIZATION, basic(client, SECRET));
        self.send(request.body(Body::from(encode(fields))).unwrap())
            .await
    }

    /// POST of a form without credentials beyond its fields.
    pub(crate) async fn post(&self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(form(uri, fields).body(Body::from(encode(fields))).unwrap())
            .await
    }

    /// GET with a bearer token.
    pub(crate) async fn get_with(&self, uri: &str, token: &str) -> Answer {
        let request = Request::get(uri).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Changes the stored client.
    pub(crate) async fn change_client(&self, id: &str, change: impl FnOnce(&mut Client)) {
        let id = ClientId::new(id);
        let work = self.begin().await;
        let mut client = work.client(&id).await.unwrap().unwrap();
        change(&mut client);
        work.update_client(&client).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Gives a client its secret anew, so that MACs can be made with it.
    pub(crate) async fn make_secret_readable(&self, client: &str) {
        let id = ClientId::new(client);
        let how = (Duration::ZERO, true);
        let secret = SECRET.into();
        let rotated = rotate_client_secret(&self.registrar(), &id, Some(&secret), how).await;
        assert!(rotated.is_ok(), "{client} has no secret");
    }

    /// Changes the stored user.
    pub(crate) async fn change_user(&self, change: impl FnOnce(&mut User)) {
        let work = self.begin().await;
        let mut user = work.user(&self.user).await.unwrap().unwrap();
        change(&mut user);
        work.update_user(&user).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Adds a user of this name with the password of every test.
    pub(crate) async fn add_user(&self, name: &str) -> UserId {
        let id = UserId::new(uuid::Uuid::new_v4().to_string());
        let account = User {
            username: Username::parse(name).unwrap(),
            email: None,
            ..user(&id)
        };
        let hash = self.ports().passwords.hash(PASSWORD).await.unwrap();
        let work = self.begin().await;
        work.add_user(&account).await.unwrap();
        work.set_password(&id, &hash, account.created_at)
            .await
            .unwrap();
        work.commit().await.unwrap();
        id
    }

    /// A transaction of the store.
    pub(crate) async fn begin(&self) -> Box<dyn UnitOfWork> {
        self.ports().store.begin().await.unwrap()
    }

    /// The kinds of all audit events so far, oldest first.
    pub(crate) async fn events(&self) -> Vec<&'static str> {
        let page = countersign::application::ports::Page {
            after: None,
            limit: 1000,
        };
        let events = self.ports().store.reader().events(&page).await.unwrap();
        events
            .into_iter()
            .map(|event| event.kind.as_str())
            .collect()
    }

    /// Logs in as `client` asks and exchanges the code: the token response.
    pub(crate) async fn tokens(&self, client: &str, scope: &str) -> serde_json::Value {
        let mut browser = Browser::new(self);
        let code = browser.code(client, &[("scope", scope)]).await;
        let answer = self.redeem(client, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    /// Exchanges a code that [`Browser::code`] obtained.
    pub(crate) async fn redeem(&self, client: &str, code: &str) -> Answer {
        self.token(
            client,
            &[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ],
        )
        .await
    }

    /// Refreshes.
    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.token(
            client,
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
        .await
    }

    /// A token request in the way that the client authenticates.
    pub(crate) async fn token(&self, client: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        match client {
            "spa" => fields.push(("client_id", client)),
            "post" => fields.extend([("client_id", client), ("client_secret", SECRET)]),
            _ => return self.post_as(client, "/oauth2/token", &fields).await,
        }
        self.post("/oauth2/token", &fields).await
    }
}

/// A provider in production mode, with its keys in `folder`.
pub(crate) fn options(
    folder: &TempDir,
    database: &TestDatabase,
    state: countersign::app::StateOptions,
    settings: Settings,
) -> AppOptions {
    AppOptions {
        database_url: database.url().to_owned().into(),
        sql: countersign::infrastructure::sql::SqlOptions::default(),
        state,
        keys_directory: folder.path().join("keys"),
        kek_file: None,
        key_policy: KeyPolicy::default(),
        settings,
        mode: ServerMode::Production,
        mail: countersign::app::MailOptions::Memory,
        mtls: countersign::app::MtlsOptions::default(),
        outbound: OutboundOptions::default(),
        playground: None,
        telemetry: None,
    }
}

/// A provider from these options, with a password hash that is weak and fast.
pub(crate) async fn build(options: &AppOptions, clock: &Arc<TestClock>) -> App {
    try_build(options, clock, weak_hasher()).await.unwrap()
}

async fn try_build(
    options: &AppOptions,
    clock: &Arc<TestClock>,
    passwords: Arc<dyn PasswordHasher>,
) -> Result<App, countersign::app::BuildError> {
    let surroundings = Surroundings {
        clock: clock.clone(),
        rng: Arc::new(SystemRng),
        passwords,
    };
    App::build(options, surroundings).await
}

/// Weak on purpose: tests check the flow, tests of the hasher check the hash.
pub(crate) fn weak_hasher() -> Arc<dyn PasswordHasher> {
    let weak = PasswordCost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };
    Arc::new(Argon2Hasher::start(weak, PasswordLoad::default(), Arc::new(SystemRng)).unwrap())
}
