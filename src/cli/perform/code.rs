//! RFC 6749 §4.1, RFC 7636, RFC 8252 §7.3, OIDC Core §3.1 — the authorization code grant of a native
//! application that listens on loopback.

use std::{future::IntoFuture as _, time::Duration};

use axum::{
    Router,
    http::{StatusCode, Uri},
    response::Html,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, sync::mpsc};
use url::{Host, Url};

use super::{Wish, show, tokens};
use crate::{
    application::ports::{Clock as _, Rng as _},
    cli::{
        CliError, Global,
        remote::{AsClient, Issuer, Provider},
    },
    infrastructure::{clock::SystemClock, random::SystemRng},
    protocol::params::Params,
};

/// What the browser shows at the end.
const DONE: &str = "<!doctype html><title>Done</title><p>Done. You can close this window.";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PerformCode {
    #[command(flatten)]
    client: AsClient,
    #[command(flatten)]
    issuer: Issuer,
    #[command(flatten)]
    wish: Wish,
    /// Where the answer comes: http on this machine; port 0 is any free one
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:0/callback"
    )]
    redirect_uri: Url,
    /// Another parameter of the authorization request, such as prompt=login; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// How long to wait for the answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let (name, value) = pair.ok_or("write NAME=VALUE, such as prompt=login")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What belongs to one run and nobody else knows.
struct Secrets {
    state: String,
    nonce: String,
    verifier: String,
}

impl Secrets {
    fn new() -> Self {
        let fresh = || {
            let mut bytes = [0; 32];
            SystemRng.fill(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        Self {
            state: fresh(),
            nonce: fresh(),
            verifier: fresh(),
        }
    }

    /// `code_challenge` with `S256` (RFC 7636 §4.2).
    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }
}

impl PerformCode {
    pub(super) async fn run(self, global: &Global) -> Result<(), CliError> {
        let provider = self.issuer.discover(global).await?;
        let (listener, redirect_uri) = listen(self.redirect_uri.clone()).await?;
        let secrets = Secrets::new();
        let address = self.address(&provider, &redirect_uri, &secrets)?;
        eprintln!("Open this address in a browser:\n\n  {address}\n\nWaiting at {redirect_uri}");
        let waiting = answer(listener, redirect_uri.path());
        let answer = tokio::time::timeout(Duration::from_secs(self.timeout), waiting)
            .await
            .map_err(|_| CliError::unavailable("no answer came in time"))??;
        let code = code_of(&provider, &answer, &secrets)?;
        let mut fields = self.wish.fields();
        fields.retain(|(name, _)| *name != "scope");
        fields.extend([
            ("code", code),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", &secrets.verifier),
        ]);
        let answer = tokens(&provider, &self.client, "authorization_code", &fields).await?;
        if let Some(token) = answer.get("id_token").and_then(Value::as_str) {
            let claims = provider.verified(token).await?;
            check(&claims, &provider, self.client.id(), &secrets.nonce)?;
        }
        show(global, &answer)
    }

    fn address(
        &self,
        provider: &Provider,
        redirect_uri: &Url,
        secrets: &Secrets,
    ) -> Result<Url, CliError> {
        let endpoint = provider.endpoint("authorization_endpoint")?;
        let mut address = Url::parse(endpoint)
            .map_err(|_| CliError::failed("the authorization endpoint is no URL"))?;
        let challenge = secrets.challenge();
        let mut query = address.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client.id())
            .append_pair("redirect_uri", redirect_uri.as_str())
            .append_pair("state", &secrets.state)
            .append_pair("nonce", &secrets.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if self.wish.scope.is_none() {
            query.append_pair("scope", "openid");
        }
        query.extend_pairs(self.wish.fields());
        query.extend_pairs(&self.parameters);
        drop(query);
        Ok(address)
    }
}

/// Listens where the answer will come; the redirect URI with its port.
async fn listen(mut redirect_uri: Url) -> Result<(TcpListener, Url), CliError> {
    let unfit = || {
        CliError::usage("the answer has to come to this machine")
            .hint("write a redirect URI such as http://127.0.0.1:8400/callback")
    };
    let host = match redirect_uri.host() {
        Some(Host::Ipv4(ip)) if ip.is_loopback() => ip.to_string(),
        Some(Host::Ipv6(ip)) if ip.is_loopback() => ip.to_string(),
        Some(Host::Domain("localhost")) => "localhost".to_owned(),
        Some(Host::Ipv4(_) | Host::Ipv6(_) | Host::Domain(_)) | None => return Err(unfit()),
    };
    if redirect_uri.scheme() != "http" {
        return Err(unfit());
    }
    let port = redirect_uri.port().unwrap_or(80);
    let listener = TcpListener::bind((host.as_str(), port))
        .await
        .map_err(|error| {
            CliError::unavailable(format!("cannot listen at {host}:{port}: {error}"))
        })?;
    let address = listener
        .local_addr()
        .map_err(|error| CliError::failed(error.to_string()))?;
    redirect_uri
        .set_port(Some(address.port()))
        .map_err(|()| unfit())?;
    Ok((listener, redirect_uri))
}

/// The query of the first request to `path`.
async fn answer(listener: TcpListener, path: &str) -> Result<Params, CliError> {
    let (answered, mut answers) = mpsc::channel::<String>(1);
    let path = path.to_owned();
    let page = move |uri: Uri| async move {
        if uri.path() != path {
            return Err(StatusCode::NOT_FOUND);
        }
        // A second answer finds nobody who listens.
        let _ = answered.try_send(uri.query().unwrap_or_default().to_owned());
        Ok(Html(DONE))
    };
    let router = Router::new().fallback(page);
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        stopping.await.ok();
    });
    let server = tokio::spawn(server.into_future());
    let query = answers.recv().await;
    stop.send(()).ok();
    // A browser may keep its connection; what it was to see has been sent by then.
    tokio::time::timeout(Duration::from_secs(1), server)
        .await
        .ok();
    let query = query.ok_or_else(|| CliError::failed("nobody listens any more"))?;
    Ok(Params::parse(query.as_bytes()))
}

/// The code, if this is the answer to our request (RFC 6749 §10.12, RFC 9207).
fn code_of<'a>(
    provider: &Provider,
    answer: &'a Params,
    secrets: &Secrets,
) -> Result<&'a str, CliError> {
    if answer.get("state") != Some(&secrets.state) {
        return Err(CliError::failed(
            "the answer has another state: it is not for this request",
        ));
    }
    let issuer = answer.get("iss");
    let promised = provider.promises("authorization_response_iss_parameter_supported");
    if (promised || issuer.is_some()) && issuer != Some(provider.issuer()) {
        return Err(CliError::failed(
            "the answer comes from another issuer, or does not say from which",
        ));
    }
    if let Some(error) = answer.get("error") {
        let why = answer.get("error_description").unwrap_or("no reason given");
        return Err(CliError::failed(format!(
            "the provider refuses: {error:?}: {why:?}"
        )));
    }
    let code = answer.get("code");
    code.ok_or_else(|| CliError::failed("the answer has neither a code nor an error"))
}

/// What an application checks of an ID token whose signature is right (OIDC Core §3.1.3.7).
fn check(
    claims: &Map<String, Value>,
    provider: &Provider,
    client: &str,
    nonce: &str,
) -> Result<(), CliError> {
    let is_for = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(|one| one == client),
        Some(one) => one == client,
        None => false,
    };
    let says = |name: &str, value: &str| claims.get(name).and_then(Value::as_str) == Some(value);
    let lives = claims
        .get("exp")
        .and_then(Value::as_i64)
        .is_some_and(|exp| exp > SystemClock.now().0);
    let wrong = [
        (!says("iss", provider.issuer()), "iss"),
        (!is_for, "aud"),
        (!says("nonce", nonce), "nonce"),
        (!lives, "exp"),
    ];
    match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, claim)) => Err(CliError::failed(format!(
            "the ID token is not for this request: {claim} is wrong"
        ))),
        None => Ok(()),
    }
}
