//! A provider over the network, met as its clients meet it: for `token` and `perform`, at any issuer.

use std::{
    io::{self, Read as _},
    path::PathBuf,
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{CliError, Global, output::printable};
use crate::{application::ports::InvalidToken, infrastructure::jose::verify_signature};

/// Characters of an error that are repeated.
const MOST_SAID: usize = 300;
/// Longer is no answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which provider.
#[derive(Debug, clap::Args)]
pub(super) struct Issuer {
    /// The issuer [default: the configured one]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Trust the certificates in this file (PEM) as well
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// As which client.
#[derive(Debug, clap::Args)]
pub(super) struct AsClient {
    /// The client
    #[arg(long, value_name = "CLIENT")]
    client: String,
    /// A file with its secret, `-` for standard input; else the variable `COUNTERSIGN_CLIENT_SECRET`. A public client has none
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// The variable with a client's secret: other users of this machine cannot see it, unlike arguments.
const SECRET: &str = "COUNTERSIGN_CLIENT_SECRET";

impl AsClient {
    pub(super) fn id(&self) -> &str {
        &self.client
    }

    fn secret(&self) -> Result<Option<SecretString>, CliError> {
        let Some(file) = &self.secret_file else {
            return Ok(std::env::var(SECRET).ok().map(SecretString::from));
        };
        let text = if file.as_os_str() == "-" {
            read_input()?
        } else {
            Zeroizing::new(std::fs::read_to_string(file).map_err(|error| {
                CliError::usage(format!("{} cannot be read: {error}", file.display()))
            })?)
        };
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned().into()))
    }
}

/// All of standard input.
pub(super) fn read_input() -> Result<Zeroizing<String>, CliError> {
    let mut text = Zeroizing::new(String::new());
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| CliError::failed(format!("standard input cannot be read: {error}")))?;
    Ok(text)
}

/// A provider that was found.
pub(super) struct Provider {
    issuer: String,
    metadata: Map<String, Value>,
    http: Client,
}

impl Issuer {
    /// The configured issuer, or the one that was named.
    fn url(&self, global: &Global) -> Result<String, CliError> {
        match &self.issuer {
            Some(issuer) => Ok(issuer.trim_end_matches('/').to_owned()),
            None => Ok(global.load()?.issuer.as_str().to_owned()),
        }
    }

    fn http(&self) -> Result<Client, CliError> {
        let mut builder = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &self.ca_file {
            let unusable = |error: &dyn std::fmt::Display| {
                CliError::usage(format!("{} cannot be used: {error}", file.display()))
            };
            let pem = std::fs::read(file).map_err(|error| unusable(&error))?;
            for certificate in Certificate::from_pem_bundle(&pem).map_err(|e| unusable(&e))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder
            .build()
            .map_err(|error| CliError::failed(format!("TLS cannot be prepared: {error}")))
    }

    /// Reads the provider's metadata (OIDC Discovery §4, RFC 8414 §3).
    pub(super) async fn discover(&self, global: &Global) -> Result<Provider, CliError> {
        let issuer = self.url(global)?;
        let http = self.http()?;
        let address = format!("{issuer}/.well-known/openid-configuration");
        let metadata = read(http.get(&address), &address).await?;
        // Otherwise one provider could speak for another (§4.3, RFC 8414 §3.3).
        let said = metadata.get("issuer").and_then(Value::as_str);
        if said.map(|said| said.trim_end_matches('/')) != Some(&issuer) {
            let said = said.unwrap_or("nothing");
            let message = format!("{address} says that its issuer is {said}, not {issuer}");
            return Err(CliError::failed(message)
                .hint("ask for the issuer exactly as the provider calls itself"));
        }
        Ok(Provider {
            issuer: said.unwrap_or_default().to_owned(),
            metadata,
            http,
        })
    }
}

impl Provider {
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// An endpoint by its name in the metadata.
    pub(super) fn endpoint(&self, name: &str) -> Result<&str, CliError> {
        let endpoint = self.metadata.get(name).and_then(Value::as_str);
        endpoint.ok_or_else(|| CliError::failed(format!("{} has no {name}", self.issuer)))
    }

    pub(super) fn promises(&self, name: &str) -> bool {
        self.metadata.get(name) == Some(&Value::Bool(true))
    }

    /// Posts a form as this client: `client_secret_basic` unless the provider only takes
    /// `client_secret_post` (RFC 6749 §2.3.1).
    pub(super) async fn post(
        &self,
        endpoint: &str,
        client: &AsClient,
        fields: &[(&str, &str)],
    ) -> Result<Map<String, Value>, CliError> {
        let address = self.endpoint(endpoint)?;
        let secret = client.secret()?;
        let mut fields = fields.to_vec();
        let request = self.http.post(address);
        let request = match &secret {
            None => {
                fields.push(("client_id", client.id()));
                request
            }
            Some(secret) if self.takes_basic() => {
                let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                let password = encode(secret.expose_secret());
                request.basic_auth(encode(client.id()), Some(password))
            }
            Some(secret) => {
                fields.push(("client_id", client.id()));
                fields.push(("client_secret", secret.expose_secret()));
                request
            }
        };
        read(request.form(&fields), address).await
    }

    fn takes_basic(&self) -> bool {
        let methods = self.metadata.get("token_endpoint_auth_methods_supported");
        methods
            .and_then(Value::as_array)
            .is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
    }

    /// The claims of a token that a key of this provider signed. Nothing else of it is checked.
    pub(super) async fn verified(&self, token: &str) -> Result<Map<String, Value>, CliError> {
        let address = self.endpoint("jwks_uri")?;
        let keys = read(self.http.get(address), address).await?;
        verify_signature(token, &Value::Object(keys)).map_err(|InvalidToken| {
            CliError::failed(format!("no key of {} signed this token", self.issuer))
                .hint("it may be another provider's, altered, or signed by a key that is gone")
        })
    }
}

/// Sends, and reads an object of JSON or says what the provider answered instead.
async fn read(request: RequestBuilder, address: &str) -> Result<Map<String, Value>, CliError> {
    let unanswered = |error: reqwest::Error| {
        let error = error.without_url();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = cause.unwrap_or_else(|| error.to_string());
        CliError::unavailable(format!("{address} does not answer: {cause}"))
    };
    let answer = request.send().await.map_err(unanswered)?;
    let status = answer.status();
    let body = answer.text().await.map_err(unanswered)?;
    let parsed: Option<Map<String, Value>> = serde_json::from_str(&body).ok();
    match parsed {
        Some(object) if status.is_success() => Ok(object),
        // Revocation answers with nothing (RFC 7009 §2.2).
        None if status.is_success() && body.is_empty() => Ok(Map::new()),
        Some(object) => Err(refused(address, status.as_u16(), &object)),
        None => Err(CliError::failed(format!(
            "{address} answers with status {status} and no JSON object"
        ))),
    }
}

/// An error as RFC 6749 §5.2 has it.
fn refused(address: &str, status: u16, object: &Map<String, Value>) -> CliError {
    let text = |name: &str| {
        let said = printable(object.get(name)?.as_str()?);
        Some(said.chars().take(MOST_SAID).collect::<String>())
    };
    let code = text("error").unwrap_or_else(|| format!("status {status}"));
    let message = match text("error_description") {
        Some(description) => format!("{address} refuses: {code}: {description}"),
        None => format!("{address} refuses: {code}"),
    };
    let error = CliError::failed(message);
    match code.as_str() {
        "invalid_client" => error.hint(format!("check --client and the secret ({SECRET})")),
        "invalid_grant" => error.hint("it has expired, was used already, or is another client's"),
        "unauthorized_client" => error.hint("the client is not registered for this grant"),
        "invalid_scope" => error.hint("ask for scope values that the client is registered for"),
        "invalid_target" => error.hint("ask for a resource that the client is registered for"),
        _ => error,
    }
}
