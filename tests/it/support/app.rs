//! The whole provider for one test: the real router over real stores, with a clock that tests turn.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use countersign::{
    app::{App, AppOptions, Surroundings},
    application::{
        Ports,
        administration::Acting,
        ports::{Clock as _, PasswordHasher, UnitOfWork},
        registrar::Registrar,
        settings::{Lifetimes, LoginLimits, RequestLimits, Settings},
    },
    domain::{
        client::{
            AccessTokenFormat, Client, ClientAuthentication, ClientKind, ClientLinks, ClientSecret,
            ClientStatus, ConsentPolicy, GrantType, PkcePolicy, RefreshRotation, ResponseMode,
            TokenPolicy,
        },
        client_keys::ClientKeys,
        client_logout::ClientLogout,
        id::{ClientId, UserId},
        key::SigningAlgorithm,
        redirect_uri::RedirectUri,
        request_objects::RequestObjects,
        response_type::ResponseType,
        secret::SecretDigest,
        time::Timestamp,
        user::{Address, Email, Profile, User, UserStatus, Username},
    },
    infrastructure::{
        clock::{SystemClock, TestClock},
        outbound::OutboundOptions,
        password::{Argon2Hasher, PasswordCost, PasswordLoad},
        random::SystemRng,
    },
    protocol::{capability::Features, issuer::Issuer, jwks::KeyPolicy},
    web::pages::ServerMode,
};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) use super::browser::{Browser, authorize_uri, hidden_fields};
use super::{redis, sql::TestDatabase};

/// The issuer of every test.
pub(crate) const ISSUER: &str = "https://id.example";
/// The redirect URI of the test clients.
pub(crate) const CALLBACK: &str = "https://rp.example/callback";
/// The user of every test.
pub(crate) const USERNAME: &str = "alice";
/// And her password.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// The secret of the confidential test clients.
pub(crate) const SECRET: &str = "a-secret-of-the-test-clients-that-is-long-enough";
/// When tests begin: now, because cookies expire by the browser's clock, whatever ours says.
pub(crate) fn start() -> Timestamp {
    static START: OnceLock<Timestamp> = OnceLock::new();
    *START.get_or_init(|| SystemClock.now())
}

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
            settings.features = Features::all(SigningAlgorithm::ALL.iter().copied());
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

/// The settings of every test.
pub(crate) fn settings() -> Settings {
    Settings {
        issuer: Issuer::parse(ISSUER).unwrap(),
        features: Features::all(SigningAlgorithm::ALL.iter().copied())
            .with_response_types([ResponseType::CODE]),
        lifetimes: Lifetimes::default(),
        access_token_algorithm: SigningAlgorithm::Es256,
        login_limits: LoginLimits::default(),
        audit_retention: None,
        branding: std::sync::Arc::default(),
        deletion_grace: std::time::Duration::from_hours(14 * 24),
        request_limits: RequestLimits::OFF,
        registration: countersign::application::settings::Registration::Off,
    }
}

/// PKCE of every test (RFC 7636 Appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its challenge.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A client with everything allowed, for tests to cut down.
pub(crate) fn client(id: &str) -> Client {
    let secret = ClientSecret {
        digest: SecretDigest::of(SECRET),
        expires_at: None,
    };
    Client {
        id: ClientId::new(id),
        name: format!("The {id} client"),
        kind: ClientKind::Web,
        status: ClientStatus::Active,
        authentication: ClientAuthentication::ClientSecretBasic { secrets: vec![secret] },
        redirect_uris: [RedirectUri::parse(CALLBACK).unwrap()].into(),
        post_logout_redirect_uris: [RedirectUri::parse("https://rp.example/bye").unwrap()].into(),
        grant_types: GrantType::ALL.iter().copied().collect(),
        response_types: ResponseType::ALL.iter().copied().collect(),
        response_modes: ResponseMode::ALL.iter().copied().collect(),
        scope: "openid profile email address phone offline_access roles groups permissions reports:read reports:write"
            .parse()
            .unwrap(),
        resources: ["https://api.example".to_owned(), "https://other.example".to_owned()].into(),
        pkce: PkcePolicy::Optional,
        consent: ConsentPolicy::Remember,
        tokens: TokenPolicy {
            access_token_format: AccessTokenFormat::Jwt,
            access_token_lifetime: None,
            id_token_lifetime: None,
            id_token_algorithm: SigningAlgorithm::Rs256,
            refresh_rotation: RefreshRotation::Rotate,
            refresh_idle: None,
            refresh_absolute: None,
            refresh_grace: None,
        },
        default_max_age: None,
        allowed_origins: ["https://rp.example".to_owned()].into(),
        links: ClientLinks::default(),
        requests_per_minute: None,
        rights: countersign::domain::client_rights::ClientRights::default(),
        keys: ClientKeys::default(),
        request_objects: RequestObjects::default(),
        userinfo_algorithm: None,
        logout: ClientLogout::default(),
        registration: None,
        not_before: Timestamp(0),
        created_at: start(),
        updated_at: start(),
    }
}

/// A user with every standard claim.
pub(crate) fn user(id: &UserId) -> User {
    let text = |value: &str| Some(value.to_owned());
    User {
        id: id.clone(),
        username: Username::parse(USERNAME).unwrap(),
        email: Some(Email::parse("alice@id.example").unwrap()),
        email_verified: true,
        profile: Profile {
            first_name: text("Alice"),
            last_name: text("Example"),
            full_name: text("Alice M. Example"),
            middle_name: text("Maria"),
            nickname: text("Al"),
            profile: text("https://id.example/alice"),
            picture: text("https://id.example/alice.png"),
            website: text("https://alice.example"),
            gender: text("female"),
            birthdate: text("1990-10-31"),
            zoneinfo: text("Europe/Berlin"),
            locale: text("de-DE"),
            phone_number: text("+49 30 1234567"),
            phone_number_verified: true,
            address: Some(Address {
                formatted: text("Example Street 1\n10115 Berlin"),
                ..Address::default()
            }),
        },
        status: UserStatus::Active,
        not_before: Timestamp(0),
        security_version: 0,
        created_at: start().minus(std::time::Duration::from_hours(1)),
        updated_at: start().minus(std::time::Duration::from_hours(1)),
        login_epoch: 0,
        deletion_due: None,
    }
}

/// Adds the user and the clients of every test.
pub(crate) async fn seed(ports: &Ports) -> UserId {
    let id = UserId::new(uuid::Uuid::new_v4().to_string());
    let hash = ports.passwords.hash(PASSWORD).await.unwrap();
    let work = ports.store.begin().await.unwrap();
    work.add_user(&user(&id)).await.unwrap();
    work.set_password(&id, &hash, ports.clock.now())
        .await
        .unwrap();
    let spa = Client {
        kind: ClientKind::Spa,
        authentication: ClientAuthentication::None,
        ..client("spa")
    };
    let post = {
        let client = client("post");
        let secrets = client.authentication.secrets().to_vec();
        Client {
            authentication: ClientAuthentication::ClientSecretPost { secrets },
            ..client
        }
    };
    let service = Client {
        kind: ClientKind::Service,
        ..client("service")
    };
    for client in [client("web"), spa, post, service, client("other")] {
        work.add_client(&client).await.unwrap();
    }
    work.commit().await.unwrap();
    id
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The same without the nonce of its script, which is another one each time.
    pub(crate) fn without_nonce(mut self) -> Self {
        let policy = self.header("content-security-policy").to_owned();
        if let Some((before, rest)) = policy.split_once("'nonce-") {
            let (nonce, after) = rest.split_once('\'').unwrap();
            self.body = self.body.replace(nonce, "");
            let policy = format!("{before}{after}").parse().unwrap();
            self.headers.insert("content-security-policy", policy);
        }
        self
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A header as text; empty if absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// `Location` of a 303.
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location")
    }

    /// A parameter of the `Location`'s query or fragment.
    pub(crate) fn location_param(&self, name: &str) -> Option<String> {
        param(self.location(), name)
    }

    /// Asserts an OAuth error in JSON that nobody stores.
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.json()["error"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
    }

    /// Asserts an error that went to the client by redirect, with `state` and `iss`.
    pub(crate) fn assert_redirected_error(&self, code: &str) {
        assert!(self.location().starts_with(CALLBACK), "{}", self.location());
        assert_eq!(
            self.location_param("error").as_deref(),
            Some(code),
            "{}",
            self.location()
        );
        assert_eq!(self.location_param("iss").as_deref(), Some(ISSUER));
    }

    /// Asserts an error page: HTML, no redirect.
    pub(crate) fn assert_page(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert!(self.header("content-type").starts_with("text/html"));
        assert_eq!(self.header("location"), "");
        assert!(self.body.contains("id=\"error\""), "{}", self.body);
    }
}

/// A parameter of a URL's query or fragment.
pub(crate) fn param(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    let fragment = url.fragment().unwrap_or_default().as_bytes();
    let mut pairs = url
        .query_pairs()
        .chain(url::form_urlencoded::parse(fragment));
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Sends one request to a router.
pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(crate) fn form(uri: &str, _: &[(&str, &str)]) -> axum::http::request::Builder {
    Request::post(uri).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

/// Form-encodes fields.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// HTTP Basic credentials as RFC 6749 §2.3.1 encodes them.
pub(crate) fn basic(client: &str, secret: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(client), encode(secret)))
    )
}

/// Claims of a JWT, unverified.
pub(crate) fn claims(jwt: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A request with a body and any content type.
pub(crate) fn raw(
    method: Method,
    uri: &str,
    content_type: &str,
    body: &'static [u8],
) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from(body))
        .unwrap()
}

/// A random while, so that two who begin together are apart differently each time.
pub(crate) fn random_offset() -> std::time::Duration {
    let [a, b, ..] = *uuid::Uuid::new_v4().as_bytes();
    std::time::Duration::from_micros(u64::from(u16::from_be_bytes([a, b])) % 4_000)
}
