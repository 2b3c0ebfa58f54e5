//! `dev`: a provider with demo data on this machine, for a first look and for developing against.

mod credentials;
mod left;
mod seed;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt as _,
    path::{self, Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use serde_json::json;

use self::credentials::Credentials;
use super::{CliError, Global, registrar, serve::stop_on_signals};
use crate::{
    app::{self, App, AppOptions, BuildError, Surroundings},
    config::{Config, LogConfig, LogFormat, Mode, Sources, StateConfig},
    protocol::{issuer::Issuer, metadata::paths},
    telemetry,
    web::pages::{
        dev_mail,
        playground::{self, PlaygroundClient},
    },
};

/// Run a provider with demo data on this machine
///
/// Makes ./data and ./keys, a user `demo` and clients to play with, and listens on loopback only.
/// Started again, everything is still there. Never use it for anything but development.
///
/// It leaves its configuration in the data directory: `countersign user list` and all other verbs
/// find its data, also while it runs.
///
/// Example: countersign dev --port 8081
#[derive(Debug, clap::Args)]
pub(super) struct Dev {
    /// The port to listen on; 0 for any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the database, the state and the demo credentials are kept
    #[arg(long, value_name = "DIRECTORY", default_value = "data")]
    data: PathBuf,
    /// Where keys are kept
    #[arg(long, value_name = "DIRECTORY", default_value = "keys")]
    keys: PathBuf,
}

impl Dev {
    pub(super) async fn run(self, global: &Global) -> Result<(), CliError> {
        make_private(&self.data)?;
        make_private(&self.keys)?;
        let mut config = self.config()?;
        let _log =
            telemetry::init(&config.log).map_err(|error| CliError::failed(error.to_string()))?;
        // The issuer needs the port, and that is known only now if it was 0.
        let server = app::bind(&config).map_err(|error| {
            CliError::from(error).hint("choose another port: countersign dev --port 8081")
        })?;
        config.issuer = issuer(server.address()?.port())?;
        let surroundings = Surroundings::of(&config).map_err(BuildError::from)?;
        let (credentials, freshness) = Credentials::load_or_make(&self.data, &*surroundings.rng)?;
        let options = AppOptions {
            playground: Some(PlaygroundClient {
                client_id: seed::PLAYGROUND.to_owned(),
                client_secret: SecretString::from(credentials.playground_secret.clone()),
                public: Some(seed::PLAYGROUND_SCRIPT.to_owned()),
                service: Some((
                    seed::SERVICE.to_owned(),
                    SecretString::from(credentials.service_secret.clone()),
                )),
            }),
            ..AppOptions::from(&config)
        };
        let app = App::claimed(&options, surroundings).await?;
        let registrar = registrar::of(app.ports());
        seed::seed(&registrar, &credentials, freshness, &config.issuer).await?;
        let left = left::leave(&self.data, &config, server.address()?.port())?;
        let stop = stop_on_signals()?;
        announce(global, &config.issuer, &credentials, &left)?;
        Ok(app.serve(server, &config.server, stop).await?)
    }

    fn config(&self) -> Result<Config, CliError> {
        let text = format!("issuer = \"{}\"\n", issuer(self.port.max(1))?);
        let mut config = Config::load(&Sources::of_text(&text))?;
        let database = path::absolute(self.data.join("countersign.db")).map_err(unnamed)?;
        config.mode = Mode::Development;
        config.server.drain = Duration::ZERO;
        config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        config.database.url = left::sqlite_url(&database).into();
        config.state =
            StateConfig::Embedded(path::absolute(self.data.join("state")).map_err(unnamed)?);
        config.keys.directory = path::absolute(&self.keys).map_err(unnamed)?;
        config.log = LogConfig {
            format: LogFormat::Compact,
            filter: "warn,countersign=info".to_owned(),
        };
        Ok(config)
    }
}

// By value, for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn unnamed(error: std::io::Error) -> CliError {
    CliError::failed(format!("the working directory cannot be named: {error}"))
}

/// By name, not by address: browsers treat `localhost` as secure, and applications on other ports
/// are on the same site.
fn issuer(port: u16) -> Result<Issuer, CliError> {
    Issuer::parse(&format!("http://localhost:{port}"))
        .map_err(|error| CliError::failed(error.to_string()))
}

/// A directory that nobody else may look into.
fn make_private(directory: &Path) -> Result<(), CliError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| CliError::failed(format!("cannot make {}: {error}", directory.display())))
}

fn announce(
    global: &Global,
    issuer: &Issuer,
    credentials: &Credentials,
    left: &Path,
) -> Result<(), CliError> {
    let discovery = issuer.url(paths::OPENID_CONFIGURATION);
    let playground = issuer.url(playground::PATH);
    let mail = issuer.url(dev_mail::PATH);
    let json = json!({
        "issuer": issuer.as_str(),
        "discovery": discovery,
        "playground": playground,
        "mail": mail,
        "config": left,
        "user": { "username": seed::USERNAME, "password": credentials.password },
        "clients": {
            "demo-spa": { "client_id": "demo-spa" },
            "demo-web": { "client_id": "demo-web", "client_secret": credentials.web_secret },
            "demo-service": { "client_id": "demo-service", "client_secret": credentials.service_secret },
            "playground": { "client_id": "playground", "client_secret": credentials.playground_secret },
        },
    });
    let text = format!(
        "
  ==============================================================
   DEVELOPMENT MODE: demo users, demo secrets, plain HTTP.
   Reachable from this machine only. Never use it in production.
  ==============================================================

  Issuer      {issuer}
  Discovery   {discovery}
  Playground  {playground}
  Mail        {mail}

  User        {}
  Password    {}

  Client demo-spa       public, PKCE; http://localhost:5173/callback
  Client demo-web       secret {}; http://localhost:3000/callback
  Client demo-service   secret {}; client_credentials, scope \"api:read api:write\"

  In another terminal, to look at this data with any verb (such as `countersign user list`):

    export COUNTERSIGN_CONFIG='{}'

  Ctrl-C stops it; started again, everything is still there.
",
        seed::USERNAME,
        credentials.password,
        credentials.web_secret,
        credentials.service_secret,
        left.display()
    );
    global.output().print(&json, text)
}
