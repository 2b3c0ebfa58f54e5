//! What the operator decides: `countersign.toml`, the environment, and files for secrets.
//!
//! A setting is looked for in the environment (`COUNTERSIGN__SECTION__KEY`, then `DATABASE_URL` and
//! `REDIS_URL`), then in the file; a secret also in the file that `COUNTERSIGN__SECTION__KEY_FILE`
//! names. Everything is checked at the start, and everything that is wrong is said at once: which
//! key, where it stands, what is the matter, how to mend it.

mod branding;
mod keys;
mod limits;
mod mail;
mod mtls;
mod oauth;
mod outbound;
mod reader;
mod reference;
mod registration;
mod server_keys;
mod source;
mod telemetry;
mod values;

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;

use self::{keys::KEYS, reader::Reader, source::Found};
pub use self::{
    mail::MailConfig,
    mtls::MtlsConfig,
    oauth::OauthConfig,
    reader::{ConfigError, Problem},
    reference::{Setting, reference, show, template},
    server_keys::KeyConfig,
    source::Sources,
    telemetry::{Sampling, TelemetryConfig},
    values::{format_duration, parse_duration},
};
use crate::{
    application::settings::{Lifetimes, LoginLimits, Registration, RequestLimits, Settings},
    domain::brand::Branding,
    infrastructure::{
        outbound::OutboundOptions,
        password::{PasswordCost, PasswordLoad},
        state::RedisOptions,
    },
    protocol::{
        capability::{CertificateFeatures, Features},
        issuer::Issuer,
    },
};

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `issuer`
    pub issuer: Issuer,
    /// Whether this is `dev` or `serve`.
    pub mode: Mode,
    /// `[server]` and `[tls]`
    pub server: ServerConfig,
    /// `[mtls]`: clients that present certificates.
    pub mtls: MtlsConfig,
    /// `[management]`: where health is asked.
    pub management: SocketAddr,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[state]`
    pub state: StateConfig,
    /// `[keys]`
    pub keys: KeyConfig,
    /// `[oauth]`
    pub oauth: OauthConfig,
    /// `[outbound]`
    pub outbound: OutboundOptions,
    /// `[lifetimes]`
    pub lifetimes: Lifetimes,
    /// `[limits]`
    pub login_limits: LoginLimits,
    /// `[limits]`, too
    pub request_limits: RequestLimits,
    /// `[passwords]`
    pub passwords: PasswordConfig,
    /// `[mail]`
    pub mail: MailConfig,
    /// `[audit]`: how long events are kept; for good where absent.
    pub audit_retention: Option<Duration>,
    /// How pages and mails look.
    pub branding: Arc<Branding>,
    /// How long an account is only locked after its user asked for its deletion.
    pub deletion_grace: Duration,
    /// `[registration]`
    pub registration: Registration,
    /// `[log]`
    pub log: LogConfig,
    /// `[telemetry]`: where spans are sent, if anywhere.
    pub telemetry: Option<TelemetryConfig>,
}

/// How the server was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `dev`: loopback, demo data, playground.
    Development,
    /// `serve`.
    Production,
}

/// The public listener.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// TLS in the process; plain HTTP (behind a proxy) where absent.
    pub tls: Option<TlsConfig>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at most.
    pub max_connections: usize,
    /// Connections from one address at most.
    pub max_connections_per_address: usize,
    /// How long the head of a request may take.
    pub head_timeout: Duration,
    /// How long its body may take.
    pub body_timeout: Duration,
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// How long everything goes on after the signal to stop, while readiness says no.
    pub drain: Duration,
    /// How long requests may go on after that.
    pub shutdown_timeout: Duration,
}

/// Certificate and key, PEM files that are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The SQL database.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `sqlite://file?mode=rwc` or `postgres://user:password@host/name`.
    pub url: SecretString,
    /// Connections at most; a number that fits the processor where absent.
    pub connections: Option<u32>,
}

/// Where short-lived state is kept.
#[derive(Clone, Debug)]
pub enum StateConfig {
    /// In a directory of this node.
    Embedded(PathBuf),
    /// On Redis, shared by all nodes.
    Redis(RedisOptions),
}

/// Password hashing.
#[derive(Clone, Debug)]
pub struct PasswordConfig {
    /// What a hash costs.
    pub cost: PasswordCost,
    /// How many at once.
    pub load: PasswordLoad,
    /// Digests of stolen passwords, which nobody may choose.
    pub breached_file: Option<PathBuf>,
}

/// The log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// What a line looks like.
    pub format: LogFormat,
    /// What is logged, as in `RUST_LOG`.
    pub filter: String,
}

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// For people.
    Compact,
}

impl Config {
    /// Reads and checks everything.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        Self::from_found(sources.read()?)
    }

    fn from_found(found: Found) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(found);
        let config = read(&mut reader);
        reader.finish()?;
        config.ok_or_else(ConfigError::default)
    }

    /// What the use cases need to know of it.
    pub fn settings(&self) -> Settings {
        Settings {
            issuer: self.issuer.clone(),
            features: Features::all(self.keys.algorithms.iter().copied())
                .with_encryption(self.keys.encryption.iter().copied())
                .with_response_types(self.oauth.response_types.iter().copied())
                .with_certificates(self.mtls.is_on().then(|| CertificateFeatures {
                    authorities: self.mtls.ca_file.is_some(),
                    url: self.mtls.url.clone(),
                }))
                .with_registration(self.oauth.registration),
            lifetimes: self.lifetimes.clone(),
            access_token_algorithm: self.keys.access_token_algorithm,
            login_limits: self.login_limits.clone(),
            audit_retention: self.audit_retention,
            deletion_grace: self.deletion_grace,
            branding: self.branding.clone(),
            request_limits: self.request_limits.clone(),
            registration: self.registration.clone(),
        }
    }
}

/// Every key once. A part is `None` only if the reader noted a problem.
fn read(r: &mut Reader) -> Option<Config> {
    let issuer = r.issuer("issuer");
    let server = read_server(r);
    let has_tls = server.as_ref().is_some_and(|server| server.tls.is_some());
    let mtls = mtls::read(r, has_tls, issuer.as_ref());
    let management = listen(r, "management.address", "management.port");
    let database = read_database(r);
    let state = read_state(r);
    let keys = server_keys::read(r);
    let oauth = oauth::read(r);
    let outbound = outbound::read(r);
    let lifetimes = read_lifetimes(r);
    let login_limits = limits::logins(r);
    let request_limits = limits::requests(r);
    let passwords = read_passwords(r);
    let mail = mail::read(r, issuer.as_ref());
    let audit_retention = r.duration_or_zero("audit.retention");
    let branding = branding::read(r);
    let deletion_grace = r.duration_or_zero("accounts.deletion_grace");
    let registration = registration::read(r);
    let log = read_log(r);
    let telemetry = telemetry::read(r);
    Some(Config {
        issuer: issuer?,
        mode: Mode::Production,
        server: server?,
        mtls: mtls?,
        management: management?,
        database: database?,
        state: state?,
        keys: keys?,
        oauth: oauth?,
        outbound: outbound?,
        lifetimes: lifetimes?,
        login_limits: login_limits?,
        request_limits: request_limits?,
        passwords: passwords?,
        mail: mail?,
        branding: branding?,
        deletion_grace: deletion_grace?,
        audit_retention: Some(audit_retention?).filter(|kept| !kept.is_zero()),
        registration: registration?,
        log: log?,
        telemetry: telemetry?,
    })
}

fn listen(r: &mut Reader, address: &str, port: &str) -> Option<SocketAddr> {
    let address: Option<IpAddr> = r.parsed(address, "write an IP address such as 127.0.0.1 or ::");
    let port = r.integer(port, 0..=u64::from(u16::MAX));
    Some(SocketAddr::new(address?, u16::try_from(port?).ok()?))
}

fn read_server(r: &mut Reader) -> Option<ServerConfig> {
    let listen = listen(r, "server.address", "server.port");
    let tls = match (r.path("tls.certificate"), r.path("tls.key")) {
        (Some(certificate), Some(key)) => Some(TlsConfig { certificate, key }),
        (None, None) => None,
        (Some(_), None) => r.problem("tls.key", "is missing", "name the file of the private key"),
        (None, Some(_)) => r.problem(
            "tls.certificate",
            "is missing",
            "name the file of the certificate chain",
        ),
    };
    let trusted_proxies = r.list("server.trusted_proxies", |text| {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| "write networks such as \"10.0.0.0/8\"".to_owned())
    });
    let max_connections = r.integer("server.max_connections", 1..=1_000_000);
    let per_address = r.integer("server.max_connections_per_address", 1..=1_000_000);
    let head_timeout = r.duration("server.head_timeout");
    let body_timeout = r.duration("server.body_timeout");
    let drain = r.duration_or_zero("server.drain");
    let request_timeout = r.duration("server.request_timeout");
    let shutdown_timeout = r.duration("server.shutdown_timeout");
    Some(ServerConfig {
        listen: listen?,
        tls,
        trusted_proxies: trusted_proxies?,
        max_connections: usize::try_from(max_connections?).ok()?,
        max_connections_per_address: usize::try_from(per_address?).ok()?,
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        drain: drain?,
        request_timeout: request_timeout?,
        shutdown_timeout: shutdown_timeout?,
    })
}

fn read_database(r: &mut Reader) -> Option<DatabaseConfig> {
    let url = r.secret("database.url");
    let connections = r.optional_integer("database.connections", 1..=1_000);
    let is_known = |text: &str| {
        ["sqlite:", "postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    };
    let url = url?;
    if !is_known(secrecy::ExposeSecret::expose_secret(&url)) {
        return r.problem(
            "database.url",
            "is no URL of a database",
            "begin it with sqlite:// or postgres://",
        );
    }
    let connections = connections.map(u32::try_from).transpose().ok()?;
    Some(DatabaseConfig { url, connections })
}

fn read_state(r: &mut Reader) -> Option<StateConfig> {
    let directory = r.path("state.directory");
    let url = r.optional_secret("state.redis_url");
    let ca_file = r.path("state.redis_ca_file");
    let namespace = r.text("state.redis_namespace");
    let Some(url) = url else {
        return directory.map(StateConfig::Embedded);
    };
    let is_redis = |text: &str| text.starts_with("redis://") || text.starts_with("rediss://");
    if !is_redis(secrecy::ExposeSecret::expose_secret(&url)) {
        return r.problem(
            "state.redis_url",
            "is no URL of a Redis server",
            "begin it with redis:// or, for TLS, rediss://",
        );
    }
    Some(StateConfig::Redis(RedisOptions {
        url,
        ca_file,
        namespace: namespace?,
    }))
}

fn read_lifetimes(r: &mut Reader) -> Option<Lifetimes> {
    let code = r.duration("lifetimes.code");
    let interaction = r.duration("lifetimes.interaction");
    let access_token = r.duration("lifetimes.access_token");
    let id_token = r.duration("lifetimes.id_token");
    let refresh_idle = r.duration("lifetimes.refresh_idle");
    let refresh_absolute = r.duration("lifetimes.refresh_absolute");
    let refresh_grace = r.duration_or_zero("lifetimes.refresh_grace");
    let session_idle = r.duration("lifetimes.session_idle");
    let session_absolute = r.duration("lifetimes.session_absolute");
    let session_remembered = r.duration("lifetimes.session_remembered");
    if code? > MOST_CODE_LIFETIME {
        return r.problem(
            "lifetimes.code",
            "is too long",
            "RFC 6749 section 4.1.2 recommends at most 10m; 60s is plenty",
        );
    }
    Some(Lifetimes {
        code: code?,
        interaction: interaction?,
        access_token: access_token?,
        id_token: id_token?,
        refresh_idle: refresh_idle?,
        refresh_absolute: refresh_absolute?,
        refresh_grace: refresh_grace?,
        session_idle: session_idle?,
        session_absolute: session_absolute?,
        session_remembered: session_remembered?,
    })
}

/// RFC 6749 §4.1.2
const MOST_CODE_LIFETIME: Duration = Duration::from_mins(10);

fn read_passwords(r: &mut Reader) -> Option<PasswordConfig> {
    let memory_kib = r.integer("passwords.memory_kib", 8..=262_144);
    let passes = r.integer("passwords.passes", 1..=100);
    let lanes = r.integer("passwords.lanes", 1..=64);
    let workers = r.optional_integer("passwords.workers", 1..=1_024);
    let queue = r.integer("passwords.queue", 0..=100_000);
    let deadline = r.duration("passwords.deadline");
    let breached_file = r.path("passwords.breached_file");
    let cost = PasswordCost {
        memory_kib: u32::try_from(memory_kib?).ok()?,
        passes: u32::try_from(passes?).ok()?,
        lanes: u32::try_from(lanes?).ok()?,
    };
    if let Err(error) = cost.check() {
        return r.problem("passwords.memory_kib", &error.to_string(), "raise it");
    }
    let default = PasswordLoad::default();
    let workers = workers
        .and_then(|count| usize::try_from(count).ok())
        .and_then(NonZeroUsize::new)
        .unwrap_or(default.workers);
    Some(PasswordConfig {
        cost,
        load: PasswordLoad {
            workers,
            queue: usize::try_from(queue?).ok()?,
            deadline: deadline?,
        },
        breached_file,
    })
}

fn read_log(r: &mut Reader) -> Option<LogConfig> {
    let format = r.with("log.format", |text| match text {
        "json" => Ok(LogFormat::Json),
        "compact" => Ok(LogFormat::Compact),
        _ => Err("choose json or compact".to_owned()),
    });
    let filter = r.with("log.filter", |text| {
        text.parse::<tracing_subscriber::filter::Targets>()
            .map(|_| text.to_owned())
            .map_err(|_| "write levels such as \"info,countersign=debug\"".to_owned())
    });
    Some(LogConfig {
        format: format?,
        filter: filter?,
    })
}

#[cfg(test)]
mod tests;
