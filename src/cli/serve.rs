//! `serve`: the server, for production.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{CliError, Global};
use crate::{
    app::{self, App},
    config::Config,
    telemetry,
};

/// Run the server
///
/// Reads countersign.toml and the environment, brings the database schema up to date and listens.
/// SIGTERM and Ctrl-C stop it: requests that have begun come to their end.
///
/// Example: countersign serve --config /etc/countersign.toml
#[derive(Debug, clap::Args)]
pub(super) struct Serve;

impl Serve {
    pub(super) async fn run(self, global: &Global) -> Result<(), CliError> {
        let config = global.load_for_production()?;
        let _log =
            telemetry::init(&config.log).map_err(|error| CliError::failed(error.to_string()))?;
        warn_about(&config);
        let server = app::bind(&config)?;
        let app = App::open(&config).await?;
        let stop = stop_on_signals()?;
        tracing::info!(
            issuer = %config.issuer,
            listen = %server.address()?,
            management = server.management_address()?.map(tracing::field::display),
            version = env!("CARGO_PKG_VERSION"),
            "ready"
        );
        if global.output().is_json() {
            let ready = json!({
                "ready": true,
                "issuer": config.issuer.as_str(),
                "listen": server.address()?,
                "management": server.management_address()?,
            });
            global.output().print(&ready, "")?;
        }
        Ok(app.serve(server, &config.server, stop).await?)
    }
}

/// What is off without mail.
pub(super) const NEEDS_MAIL: &str = "notices of new devices, changed passwords and replayed tokens; \
     password reset, verification of addresses and invitations by mail";

/// What is allowed and yet most probably a mistake.
fn warn_about(config: &Config) {
    if config.mail.smtp().is_none() {
        tracing::warn!(off = NEEDS_MAIL, "mail.host is not set: no mail is sent");
    }
    let server = &config.server;
    let behind_proxy = config.issuer.is_https() && server.tls.is_none();
    if behind_proxy && server.trusted_proxies.is_empty() && !server.listen.ip().is_loopback() {
        tracing::warn!(
            "the issuer is https and TLS is left to a proxy, but server.trusted_proxies is empty: \
             every caller will seem to come from the proxy's address and share its login limits"
        );
    }
}

/// Cancelled by SIGTERM or Ctrl-C. A second signal ends the process at once.
pub(super) fn stop_on_signals() -> Result<CancellationToken, CliError> {
    let hear = |kind| {
        signal(kind).map_err(|error| CliError::failed(format!("cannot hear signals: {error}")))
    };
    let (mut terminate, mut interrupt) = (
        hear(SignalKind::terminate())?,
        hear(SignalKind::interrupt())?,
    );
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        signalled.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(stop)
}
