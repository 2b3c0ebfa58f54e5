//! `doctor`: everything that a server needs, looked at from where it runs, each with its remedy.
//!
//! It changes nothing, and can be used beside a running server.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{CliError, Global, config::problems, output::moment};
use crate::{
    app,
    application::ports::{Clock as _, Store as _},
    config::{Config, ConfigError, StateConfig},
    domain::{algorithm::KeyAlgorithm, key::ServerKey, time::Timestamp},
    infrastructure::{
        clock::SystemClock,
        jose::opens,
        kek::Kek,
        mail::SmtpMailer,
        sql::{self, SqlStore, migrate},
        state::{EmbeddedStore, OpenError, RedisStore},
    },
    protocol::jwks::{Phase, phase},
};

/// How far this machine's clock may be from the world's: tokens live for minutes, assertions for one.
const DRIFT: i64 = 10;
/// Longer is no answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Look whether everything is in order that the server needs
///
/// Configuration, database, state store, keys, clock, TLS, mail, and whether the issuer can be reached:
/// what is wrong comes with what to do. Changes nothing; works beside a running server. Exit code 1 if
/// anything is wrong. Example: countersign doctor
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {}

/// What was found out about one thing.
enum Finding {
    Fine(String),
    Off(String),
    Wrong { what: String, remedy: String },
}

use Finding::{Fine, Off};

fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::Wrong {
        what: what.into(),
        remedy: remedy.into(),
    }
}

impl Doctor {
    pub(super) async fn run(self, global: &Global) -> Result<(), CliError> {
        let config = global.load()?;
        let mut findings = vec![("configuration", configuration(&config))];
        let (database, store) = database(&config).await;
        findings.push(("database", database));
        findings.push(("state store", state(&config.state).await));
        findings.push(("keys", keys(&config, store.as_ref()).await));
        let (issuer, clock) = issuer(&config).await;
        findings.push(("clock", clock));
        findings.push(("TLS", tls(&config)));
        findings.push(("mail", mail(&config).await));
        findings.push(("issuer", issuer));
        report(global, &findings)
    }
}

fn report(global: &Global, findings: &[(&str, Finding)]) -> Result<(), CliError> {
    let line = |(part, finding): &(&str, Finding)| match finding {
        Fine(what) => format!("ok     {part:14} {what}"),
        Off(what) => format!("off    {part:14} {what}"),
        Finding::Wrong { what, remedy } => {
            format!("wrong  {part:14} {what}\n                      do: {remedy}")
        }
    };
    let json = |(part, finding): &(&str, Finding)| match finding {
        Fine(what) => json!({ "part": part, "state": "ok", "what": what }),
        Off(what) => json!({ "part": part, "state": "off", "what": what }),
        Finding::Wrong { what, remedy } => {
            json!({ "part": part, "state": "wrong", "what": what, "remedy": remedy })
        }
    };
    let lines: Vec<_> = findings.iter().map(line).collect();
    let all: Vec<Value> = findings.iter().map(json).collect();
    global.output().print(&json!(all), lines.join("\n"))?;
    let is_wrong = |(_, finding): &&(&str, Finding)| matches!(finding, Finding::Wrong { .. });
    match findings.iter().filter(is_wrong).count() {
        0 => Ok(()),
        1 => Err(CliError::failed("one thing is wrong")),
        several => Err(CliError::failed(format!("{several} things are wrong"))),
    }
}

fn configuration(config: &Config) -> Finding {
    let problems = problems(config);
    if problems.is_empty() {
        return Fine(format!("for {}", config.issuer.as_str()));
    }
    let error = ConfigError { problems };
    wrong(error.to_string(), "countersign config validate")
}

async fn database(config: &Config) -> (Finding, Option<SqlStore>) {
    let url = config.database.url.expose_secret();
    if let Some(file) = sql::missing_file(url) {
        let what = format!("there is none yet at {}", file.display());
        return (wrong(what, "countersign migrate up"), None);
    }
    let store = match app::open_sql(config).await {
        Ok(store) => store,
        Err(error) => {
            let remedy = "start the server, or correct database.url";
            return (wrong(causes(&error), remedy), None);
        }
    };
    let finding = match migrate::pending(&store).await {
        Ok(pending) if pending.is_empty() => {
            Fine("reached, and its schema is up to date".to_owned())
        }
        Ok(pending) => {
            let what = format!("its schema lacks {} migrations", pending.len());
            return (wrong(what, "countersign migrate up"), None);
        }
        Err(error) => {
            let remedy = "use the version of countersign that migrated it, or a newer one";
            return (wrong(causes(&error), remedy), None);
        }
    };
    (finding, Some(store))
}

async fn state(config: &StateConfig) -> Finding {
    let directory = match config {
        StateConfig::Redis(options) => {
            return match RedisStore::connect(options).await {
                Err(error) => wrong(
                    causes(&error),
                    "start the server, or correct state.redis_url",
                ),
                Ok(store) => match store.weaknesses().await {
                    Ok(weak) if weak.is_empty() => Fine("Redis answers".to_owned()),
                    Ok(weak) => wrong(
                        format!("Redis answers, but {}", weak.join("; ")),
                        "maxmemory-policy noeviction, appendonly yes (docs/reliability.md)",
                    ),
                    Err(error) => wrong(causes(&error), "look at the server's log"),
                },
            };
        }
        StateConfig::Embedded(directory) => directory,
    };
    let shown = directory.display();
    if !directory.exists() {
        return Fine(format!("{shown} will be made at the first start"));
    }
    match EmbeddedStore::open(directory) {
        Ok(_) => Fine(format!("{shown} opens")),
        Err(OpenError::Locked { .. }) => Fine(format!("{shown} is in use by a running server")),
        Err(error @ OpenError::Damaged { .. }) => wrong(causes(&error), "countersign state reset"),
        Err(error @ OpenError::Failed { .. }) => {
            wrong(causes(&error), "let the server's user write there")
        }
    }
}

async fn keys(config: &Config, store: Option<&SqlStore>) -> Finding {
    let Some(store) = store else {
        return Off("the database comes first".to_owned());
    };
    let keys = match store.reader().signing_keys().await {
        Ok(keys) if keys.is_empty() => {
            return Fine("will be made at the first start".to_owned());
        }
        Ok(keys) => keys,
        Err(error) => return wrong(causes(&error), "look at the database"),
    };
    let file = config.keys.kek_path();
    let kek = match Kek::load(&file) {
        Ok(kek) => Arc::new(kek),
        Err(error) => {
            let remedy =
                "bring the file back from the backup of the keys: without it the keys stay sealed";
            return wrong(causes(&error), remedy);
        }
    };
    if let Some(sealed) = keys.iter().find(|key| !opens(&kek, key)) {
        let what = format!("{} does not open key {}", file.display(), sealed.kid);
        return wrong(what, "name the file under which the keys were sealed");
    }
    active(config, &keys)
}

fn active(config: &Config, keys: &[ServerKey]) -> Finding {
    let now = SystemClock.now();
    let works = |algorithm: KeyAlgorithm| {
        let is_it = |key: &ServerKey| key.algorithm == algorithm;
        keys.iter()
            .any(|key| is_it(key) && phase(key, now) == Phase::Active)
    };
    let wanted = config.keys.every().into_iter();
    let missing: Vec<_> = wanted
        .filter(|algorithm| !works(*algorithm))
        .map(KeyAlgorithm::as_str)
        .collect();
    if !missing.is_empty() {
        let what = format!("no key is there for {} now", missing.join(", "));
        return wrong(
            what,
            "set the clock; a running server makes what is missing",
        );
    }
    let next = keys
        .iter()
        .filter(|key| phase(key, now) == Phase::Active)
        .map(|key| key.retires_at)
        .min();
    let next = next.map_or_else(|| "never".to_owned(), moment);
    Fine(format!("open and active; the next one retires {next}"))
}

fn tls(config: &Config) -> Finding {
    match &config.server.tls {
        Some(tls) => Fine(format!("with {}", tls.certificate.display())),
        None => Off("not in this process: a proxy has to speak it to the world".to_owned()),
    }
}

async fn mail(config: &Config) -> Finding {
    let Some(options) = config.mail.smtp() else {
        return Off("mail.host is not set: no mail is sent".to_owned());
    };
    let shown = &options.host;
    let mailer = match SmtpMailer::new(options) {
        Ok(mailer) => mailer,
        Err(error) => return wrong(causes(&error), "correct mail.ca_file"),
    };
    match mailer.greet().await {
        Ok(()) => Fine(format!("{shown} takes our greeting")),
        Err(error) => wrong(
            format!("{shown}: {error}"),
            "check host, port, security and password in [mail]",
        ),
    }
}

/// Whether clients find the server at its issuer, and what time it is there.
async fn issuer(config: &Config) -> (Finding, Finding) {
    let issuer = config.issuer.as_str();
    let address = config.issuer.url("/.well-known/openid-configuration");
    let no_time = || Off("nobody to compare it with".to_owned());
    let http = match reqwest::Client::builder().timeout(PATIENCE).build() {
        Ok(http) => http,
        Err(error) => return (wrong(causes(&error), "look at the system's TLS"), no_time()),
    };
    let answer = match http.get(&address).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let what = format!(
                "{issuer} cannot be reached: {}",
                causes(&error.without_url())
            );
            let remedy =
                "start the server; then check name service, proxy, certificate and firewall";
            return (wrong(what, remedy), no_time());
        }
    };
    let date = answer.headers().get("date").and_then(|it| it.to_str().ok());
    let clock = date
        .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
        .map_or_else(no_time, |at| clock(Timestamp(at.timestamp())));
    let status = answer.status();
    let said: Option<Value> = answer.json().await.ok();
    let said = said.and_then(|it| Some(it.get("issuer")?.as_str()?.to_owned()));
    let finding = match said {
        Some(said) if said == issuer => Fine(format!("{issuer} answers as itself")),
        Some(said) => wrong(
            format!("{issuer} is answered by {said}"),
            "let the proxy lead there to this server, or correct issuer",
        ),
        None => wrong(
            format!("{address} answers with {status} and no metadata"),
            "let the proxy pass /.well-known/ on to this server",
        ),
    };
    (finding, clock)
}

fn clock(there: Timestamp) -> Finding {
    let apart = SystemClock.now().0.saturating_sub(there.0);
    if apart.abs() <= DRIFT {
        return Fine("as at the issuer".to_owned());
    }
    let what = format!("{apart} seconds from that of the issuer");
    wrong(what, "let both machines follow a time server (NTP)")
}

/// An error with all its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
