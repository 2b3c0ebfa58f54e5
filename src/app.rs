//! The composition root: the only file that names both what is inside and what is outside.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use axum::Router;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

pub use crate::infrastructure::mail::MailOptions;
use crate::{
    application::{
        Ports,
        commands::know_administration::know_administration,
        courier,
        directory::Directory,
        fetched::Fetched,
        handlers,
        limits::Limits,
        logout_notices::LogoutCarriage,
        mail::PostOffice,
        ports::{
            Announcer, Clock, Mailbox, PasswordHasher, Rng, Store, StoreError, state::StateStore,
        },
        queries::origins::ClientOrigins,
        refusals::{self, Refusals},
        settings::Settings,
        upkeep,
    },
    config::{Config, Mode, ServerConfig, StateConfig, TelemetryConfig},
    domain::{
        brand::PRODUCT,
        password::{words_of_host, words_of_name},
    },
    infrastructure::{
        certificates::{Authorities, AuthoritiesError},
        clock::SystemClock,
        disk::LocalDisks,
        group_commit::GroupCommit,
        jose::{KeyError, KeyRing, validate_client_jwks},
        kek::{Kek, KekError, Seal},
        mail::{self, SmtpError},
        outbound::{GuardedClient, OutboundError, OutboundOptions},
        password::{Argon2Hasher, BreachedPasswords, StartError},
        random::SystemRng,
        sql::{self, Claim, ClaimError, Company, SqlOptions, SqlStore},
        state::{EmbeddedStore, Metered, RedisOptions, RedisStore, StateSessions},
    },
    protocol::{jwks::KeyPolicy, known_device::DeviceKey, refresh::RefreshKey},
    telemetry::{self, Tracer},
    web::{
        Web, brand,
        guard::{self, Guard, Scheme},
        health,
        pages::{
            ServerMode, dev_mail,
            playground::{self, PlaygroundClient},
        },
        router,
        server::{ServeError, Server, ServerOptions, TlsFiles},
    },
};

/// What a provider is built from.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// `sqlite://…` or `postgres://…`
    pub database_url: SecretString,
    /// How the database is used.
    pub sql: SqlOptions,
    /// Where short-lived state lives.
    pub state: StateOptions,
    /// The directory of the key-encryption key and of keys to import.
    pub keys_directory: PathBuf,
    /// The key-encryption key, if it is not in that directory.
    pub kek_file: Option<PathBuf>,
    /// When signing keys rotate.
    pub key_policy: KeyPolicy,
    /// Issuer, features, lifetimes.
    pub settings: Settings,
    /// Whether this is a developer's machine.
    pub mode: ServerMode,
    /// Who carries mail.
    pub mail: MailOptions,
    /// How addresses that clients registered are reached.
    pub outbound: OutboundOptions,
    /// Clients that present certificates.
    pub mtls: MtlsOptions,
    /// How the playground is registered, where there is one.
    pub playground: Option<PlaygroundClient>,
    /// Where spans are sent, if anywhere.
    pub telemetry: Option<TelemetryConfig>,
}

/// How certificates of clients arrive, and who vouches for them.
#[derive(Clone, Debug, Default)]
pub struct MtlsOptions {
    /// Certificates of the authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether trusted proxies tell of certificates.
    pub proxy_header: bool,
}

/// Where short-lived state lives.
#[derive(Clone, Debug)]
pub enum StateOptions {
    /// In this directory, for one node.
    Embedded(PathBuf),
    /// In Redis, for any number of nodes.
    Redis(RedisOptions),
}

/// What differs between a test and the world.
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Password hashing.
    pub passwords: Arc<dyn PasswordHasher>,
}

impl Surroundings {
    /// Those of the world.
    pub fn of(config: &Config) -> Result<Self, StartError> {
        let rng: Arc<dyn Rng> = Arc::new(SystemRng);
        let passwords = &config.passwords;
        let breached = match &passwords.breached_file {
            Some(file) => Some(
                BreachedPasswords::open(file)
                    .map_err(|error| StartError::Breached(file.clone(), error))?,
            ),
            None => None,
        };
        let mut words = words_of_host(config.issuer.host());
        words.extend(words_of_name(PRODUCT));
        words.extend(words_of_name(config.branding.product_name.as_str()));
        let passwords = Argon2Hasher::start(passwords.cost, passwords.load, rng.clone())?
            .screening(words, breached);
        Ok(Self {
            clock: Arc::new(SystemClock),
            rng,
            passwords: Arc::new(passwords),
        })
    }
}

/// Why a provider could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Database(#[from] StoreError),
    /// The schema cannot be brought up to date.
    #[error("the database schema cannot be brought up to date")]
    Migration(#[from] sql::migrate::MigrateError),
    /// The state store cannot be opened.
    #[error("the state store cannot be opened")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key-encryption key cannot be read.
    #[error(transparent)]
    KeyEncryptionKey(#[from] KekError),
    /// The signing keys cannot be read.
    #[error("the signing keys cannot be read")]
    Keys(#[from] KeyError),
    /// The metadata cannot be encoded.
    #[error("the metadata cannot be encoded")]
    Metadata(#[from] serde_json::Error),
    /// The playground cannot send requests.
    #[error("the playground's HTTP client cannot be made")]
    Playground(#[from] reqwest::Error),
    /// The client for requests to applications.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The authorities of clients' certificates cannot be read.
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    /// Spans cannot be sent.
    #[error("traces cannot be sent")]
    Telemetry(#[from] telemetry::StartError),
    /// Passwords cannot be hashed.
    #[error("passwords cannot be hashed")]
    Passwords(#[from] StartError),
    /// Mail cannot be sent.
    #[error(transparent)]
    Mail(#[from] SmtpError),
    /// Another server works on the database.
    #[error(transparent)]
    Taken(#[from] ClaimError),
}

impl From<&Config> for AppOptions {
    fn from(config: &Config) -> Self {
        let keys = &config.keys;
        Self {
            database_url: config.database.url.clone(),
            sql: sql_options(config),
            state: match &config.state {
                StateConfig::Embedded(directory) => StateOptions::Embedded(directory.clone()),
                StateConfig::Redis(options) => StateOptions::Redis(options.clone()),
            },
            keys_directory: keys.directory.clone(),
            kek_file: keys.kek_file.clone(),
            key_policy: KeyPolicy {
                algorithms: keys.every(),
                rotation: keys.rotation,
                ..KeyPolicy::default()
            },
            settings: config.settings(),
            mode: match config.mode {
                Mode::Development => ServerMode::Development,
                Mode::Production => ServerMode::Production,
            },
            mail: match (config.mail.smtp(), config.mode) {
                (Some(smtp), _) => MailOptions::Smtp(smtp.clone()),
                (None, Mode::Development) => MailOptions::Memory,
                (None, Mode::Production) => MailOptions::Off,
            },
            outbound: config.outbound.clone(),
            mtls: MtlsOptions {
                ca_file: config.mtls.ca_file.clone(),
                proxy_header: config.mtls.proxy_header,
            },
            playground: None,
            telemetry: config.telemetry.clone(),
        }
    }
}

fn sql_options(config: &Config) -> SqlOptions {
    let default = SqlOptions::default();
    SqlOptions {
        max_connections: config
            .database
            .connections
            .unwrap_or(default.max_connections),
        ..default
    }
}

/// The database alone, as the configuration names it: for what works next to a running server,
/// which holds its embedded state.
pub async fn open_sql(config: &Config) -> Result<SqlStore, StoreError> {
    make_directory_of(&config.database.url)?;
    sql::connect(config.database.url.expose_secret(), &sql_options(config)).await
}

/// The signing keys of the configured database, for the command line.
pub async fn open_keys(config: &Config) -> Result<KeyRing, BuildError> {
    let options = AppOptions::from(config);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let store: Arc<dyn Store> = Arc::new(open_database(&options).await?);
    let kek = Arc::new(open_kek(&options, &*store, &*rng).await?);
    let clock = Arc::new(SystemClock);
    Ok(KeyRing::open(store, kek, clock, rng, options.key_policy).await?)
}

/// Takes the addresses that the configuration names, and reads the certificate.
pub fn bind(config: &Config) -> Result<Server, ServeError> {
    let server = &config.server;
    let tls = server.tls.as_ref().map(|tls| TlsFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
    });
    Server::bind(ServerOptions {
        listen: server.listen,
        management: match config.mode {
            Mode::Development => None,
            Mode::Production => Some(config.management),
        },
        tls,
        mutual: config.mtls.listen,
        max_connections: server.max_connections,
        max_connections_per_address: server.max_connections_per_address,
        trusted_proxies: server.trusted_proxies.clone(),
        head_timeout: server.head_timeout,
        drain: server.drain,
        shutdown_timeout: server.shutdown_timeout,
    })
}

/// A provider, ready to serve.
pub struct App {
    web: Arc<Web>,
    ring: Arc<KeyRing>,
    sessions: StateSessions,
    /// What only a developer's machine shows.
    development: Option<Router<Arc<Web>>>,
    mailbox: Option<Arc<dyn Mailbox>>,
    tracer: Option<Arc<Tracer>>,
    disks: Arc<LocalDisks>,
    proxy_certificates: bool,
    /// Dropped last: until then nobody else begins.
    _claim: Claim,
}

impl App {
    /// Builds the provider that the configuration describes.
    pub async fn open(config: &Config) -> Result<Self, BuildError> {
        Self::claimed(&config.into(), Surroundings::of(config)?).await
    }

    /// Builds the provider unless a server works on its database that it would not hear of.
    pub async fn claimed(
        options: &AppOptions,
        surroundings: Surroundings,
    ) -> Result<Self, BuildError> {
        make_directory_of(&options.database_url)?;
        let company = match options.state {
            StateOptions::Embedded(_) => Company::None,
            StateOptions::Redis(_) => Company::Sharing,
        };
        let claim = sql::claim(options.database_url.expose_secret(), company).await?;
        let app = Self::build(options, surroundings).await?;
        Ok(Self {
            _claim: claim,
            ..app
        })
    }

    /// Opens the stores, brings the schema up to date, makes sure that there are keys.
    pub async fn build(
        options: &AppOptions,
        surroundings: Surroundings,
    ) -> Result<Self, BuildError> {
        let Surroundings {
            clock,
            rng,
            passwords,
        } = surroundings;
        let sql = open_database(options).await?;
        let store: Arc<dyn Store> = Arc::new(sql);
        know_administration(&*store, &options.settings.issuer).await?;
        let state = open_state(&options.state).await?;
        let kek = Arc::new(open_kek(options, &*store, &*rng).await?);
        let policy = options.key_policy.clone();
        let ring = KeyRing::open(
            store.clone(),
            kek.clone(),
            clock.clone(),
            rng.clone(),
            policy,
        )
        .await?;
        let ring = Arc::new(ring);
        let sessions = StateSessions::new(state.clone(), clock.clone());
        let refresh_key = RefreshKey::new(kek.derive("refresh-token"));
        let device_key = DeviceKey::new(kek.derive("known-device"));
        let settings = options.settings.clone();
        brand::set(&settings.branding);
        let signer = ring.clone();
        let directory = Directory::new(store.clone(), state.clone(), clock.clone(), rng.clone());
        let directory = Arc::new(directory);
        let announcer: Weak<dyn Announcer> = Arc::<Directory>::downgrade(&directory);
        store.set_announcer(announcer);
        let ledger = Arc::new(GroupCommit::start(store.clone()));
        let (mailer, mailbox) = mail::open(&options.mail)?;
        let sealer = Arc::new(Seal {
            kek: kek.clone(),
            rng: rng.clone(),
        });
        let post = PostOffice {
            sealer: sealer.clone(),
            mailer,
        };
        let outbound = Arc::new(GuardedClient::new(&options.outbound)?);
        let certificates = Arc::new(Authorities::read(options.mtls.ca_file.as_deref())?);
        let request_limits = settings.request_limits.clone();
        let limits = Limits::new(request_limits, state.clone(), clock.clone());
        let ports = Ports {
            store,
            state,
            directory,
            ledger,
            signer,
            passwords,
            clock,
            rng,
            sealer,
            refresh_key,
            device_key,
            post,
            outbound,
            certificates,
            client_keys: Fetched::default(),
            client_logos: Fetched::default(),
            limits,
            refusals: Refusals::default(),
            check_jwks: |jwks| validate_client_jwks(jwks).map_err(|error| error.to_string()),
            settings,
        };
        let playground = options.playground.clone();
        let playground = playground.map(playground::router).transpose()?;
        let dev_mail = mailbox.clone().map(dev_mail::router);
        let development = [playground, dev_mail].into_iter().flatten();
        let tracer = options.telemetry.as_ref();
        let tracer = tracer.map(|telemetry| Tracer::start(telemetry, ports.rng.clone()));
        Ok(Self {
            tracer: tracer.transpose()?.map(Arc::new),
            disks: Arc::new(disks_of(options)),
            proxy_certificates: options.mtls.proxy_header,
            development: development.reduce(Router::merge),
            mailbox,
            web: Arc::new(Web::new(ports, options.mode)?),
            ring,
            sessions,
            _claim: Claim::Needless,
        })
    }

    /// The public routes.
    pub fn router(&self) -> Router {
        router::router(
            self.web.clone(),
            self.sessions.clone(),
            self.development.clone(),
        )
    }

    /// The public routes behind the guard, as the world sees them.
    pub fn guarded_router(&self, config: &ServerConfig) -> Router {
        let ports = self.ports();
        let scheme = if ports.settings.issuer.is_https() {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let guard = Guard {
            scheme,
            trusted_proxies: config.trusted_proxies.clone(),
            proxy_certificates: self.proxy_certificates,
            request_timeout: config.request_timeout,
            body_timeout: config.body_timeout,
            rng: ports.rng.clone(),
            origins: Arc::new(ClientOrigins::new(ports.store.clone(), ports.clock.clone())),
            tracer: self.tracer.clone(),
        };
        guard::protect(self.router(), guard)
    }

    /// The routes of the management listener; a server that is `stopping` is not ready any more.
    pub fn management_router(&self, stopping: CancellationToken) -> Router {
        health::router(self.web.clone(), self.disks.clone(), stopping)
    }

    /// Serves until `stop`, and does what has to be done from time to time.
    pub async fn serve(
        &self,
        server: Server,
        config: &ServerConfig,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        let public = self.guarded_router(config);
        let management = self.management_router(stop.clone());
        // While the server drains, it must still hear of what changes.
        let over = CancellationToken::new();
        let (ended, ()) = tokio::join!(
            async {
                let ended = Box::pin(server.run(public, management, stop.clone())).await;
                stop.cancel();
                over.cancel();
                ended
            },
            Box::pin(self.maintain(over.clone()))
        );
        self.web.errands.idle().await;
        if let Some(tracer) = &self.tracer {
            tracer.flush().await;
        }
        ended
    }

    /// The use cases' surroundings, for the command line.
    pub fn ports(&self) -> &Ports {
        &self.web.ports
    }

    /// Whatever has to be done from time to time, until `stop`: keys rotate, expired grants go, mail leaves.
    pub async fn maintain(&self, stop: CancellationToken) {
        let keys_changed = self.ports().directory.keys_changed();
        tokio::join!(
            self.ring.keep_fresh(&keys_changed, stop.clone()),
            self.ports().directory.follow(stop.clone()),
            upkeep::sweep(self.ports(), stop.clone()),
            refusals::follow(self.ports(), stop.clone()),
            courier::deliver(self.ports(), stop.clone()),
            courier::follow(self.ports(), &LogoutCarriage, stop.clone()),
            handlers::follow(self.ports(), stop)
        );
    }

    /// Waits until what goes on after its request was answered is done.
    pub async fn idle(&self) {
        self.web.errands.idle().await;
    }

    /// What was sent, where mail stays on this machine.
    pub fn mailbox(&self) -> Option<&Arc<dyn Mailbox>> {
        self.mailbox.as_ref()
    }

    /// What sends spans to a collector, where one is configured.
    pub fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.tracer.as_ref()
    }

    /// The signing keys, for the command line.
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.ring
    }
}

fn disks_of(options: &AppOptions) -> LocalDisks {
    let state = match &options.state {
        StateOptions::Embedded(directory) => Some(directory.clone()),
        StateOptions::Redis(_) => None,
    };
    let database = directory_of(&options.database_url);
    LocalDisks(state.into_iter().chain(database).collect())
}

/// A new key-encryption key would open nothing that the lost one sealed, so none is made then.
async fn open_kek(
    options: &AppOptions,
    store: &dyn Store,
    rng: &dyn Rng,
) -> Result<Kek, BuildError> {
    if let Some(file) = &options.kek_file {
        return Ok(Kek::load(file)?);
    }
    // The keys first: whoever made them had made the file before.
    if !store.reader().signing_keys().await?.is_empty() {
        Kek::must_be_in(&options.keys_directory)?;
    }
    Ok(Kek::load_or_create(&options.keys_directory, rng)?)
}

async fn open_database(options: &AppOptions) -> Result<SqlStore, BuildError> {
    make_directory_of(&options.database_url)?;
    let store = sql::connect(options.database_url.expose_secret(), &options.sql).await?;
    sql::migrate::up(&store).await?;
    Ok(store)
}

/// The directory of a SQLite file.
fn directory_of(url: &SecretString) -> Option<PathBuf> {
    let file = url
        .expose_secret()
        .strip_prefix("sqlite://")
        .and_then(|rest| rest.split('?').next())
        .filter(|file| !file.is_empty() && !file.contains(":memory:"))?;
    let file = percent_encoding::percent_decode_str(file).decode_utf8_lossy();
    Path::new(&*file).parent().map(Path::to_owned)
}

/// Makes the directory of a SQLite file, for this user only.
fn make_directory_of(url: &SecretString) -> Result<(), StoreError> {
    let Some(directory) = directory_of(url) else {
        return Ok(());
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(|error| {
            let what = format!(
                "the directory {} cannot be made: {error}",
                directory.display()
            );
            StoreError::Unavailable(what.into())
        })
}

async fn open_state(options: &StateOptions) -> Result<Arc<dyn StateStore>, BuildError> {
    match options {
        StateOptions::Embedded(directory) => {
            let store = EmbeddedStore::open(directory)
                .map_err(|error| BuildError::State(Box::new(error)))?;
            Ok(Arc::new(Metered(store)))
        }
        StateOptions::Redis(options) => {
            let store = RedisStore::connect(options)
                .await
                .map_err(|error| BuildError::State(Box::new(error)))?;
            Ok(Arc::new(Metered(store)))
        }
    }
}
