//! The composition root: the only file that names both what is inside and what is outside.

use std::{path::PathBuf, sync::Arc};

use axum::Router;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use crate::{
    application::{
        Ports,
        ports::{Clock, PasswordHasher, Rng, Store, state::StateStore},
        settings::Settings,
        upkeep,
    },
    infrastructure::{
        jose::{KeyError, KeyRing},
        kek::{Kek, KekError},
        sql::{self, SqlOptions, SqlStore},
        state::{EmbeddedStore, RedisOptions, RedisStore, StateSessions},
    },
    protocol::{jwks::KeyPolicy, refresh::RefreshKey},
    web::{
        Web,
        pages::{
            ServerMode,
            playground::{self, PlaygroundClient},
        },
        router,
    },
};

/// What a provider is built from.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// `sqlite://…` or `postgres://…`
    pub database_url: SecretString,
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
    /// How the playground is registered, where there is one.
    pub playground: Option<PlaygroundClient>,
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

/// Why a provider could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Database(#[from] crate::application::ports::StoreError),
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
}

/// A provider, ready to serve.
pub struct App {
    web: Arc<Web>,
    ring: Arc<KeyRing>,
    sessions: StateSessions,
    playground: Option<Router<Arc<Web>>>,
}

impl App {
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
        let state = open_state(&options.state).await?;
        let kek = Arc::new(open_kek(options, &*rng)?);
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
        let settings = options.settings.clone();
        let signer = ring.clone();
        let ports = Ports {
            store,
            state,
            signer,
            passwords,
            clock,
            rng,
            refresh_key,
            settings,
        };
        let playground = options.playground.clone();
        Ok(Self {
            playground: playground.map(playground::router).transpose()?,
            web: Arc::new(Web::new(ports, options.mode)?),
            ring,
            sessions,
        })
    }

    /// The public routes.
    pub fn router(&self) -> Router {
        router::router(
            self.web.clone(),
            self.sessions.clone(),
            self.playground.clone(),
        )
    }

    /// The use cases' surroundings, for the command line.
    pub fn ports(&self) -> &Ports {
        &self.web.ports
    }

    /// Whatever has to be done from time to time, until `stop`: keys rotate, expired grants go.
    pub async fn maintain(&self, stop: CancellationToken) {
        tokio::join!(
            self.ring.keep_fresh(stop.clone()),
            upkeep::sweep_grants(self.ports(), stop)
        );
    }

    /// The signing keys, for the command line.
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.ring
    }
}

fn open_kek(options: &AppOptions, rng: &dyn Rng) -> Result<Kek, KekError> {
    match &options.kek_file {
        Some(file) => Kek::load(file),
        None => Kek::load_or_create(&options.keys_directory, rng),
    }
}

async fn open_database(options: &AppOptions) -> Result<SqlStore, BuildError> {
    let store = sql::connect(options.database_url.expose_secret(), &SqlOptions::default()).await?;
    sql::migrate::up(&store).await?;
    Ok(store)
}

async fn open_state(options: &StateOptions) -> Result<Arc<dyn StateStore>, BuildError> {
    match options {
        StateOptions::Embedded(directory) => {
            let store = EmbeddedStore::open(directory)
                .map_err(|error| BuildError::State(Box::new(error)))?;
            Ok(Arc::new(store))
        }
        StateOptions::Redis(options) => {
            let store = RedisStore::connect(options)
                .await
                .map_err(|error| BuildError::State(Box::new(error)))?;
            Ok(Arc::new(store))
        }
    }
}
