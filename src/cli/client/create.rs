//! `client create`: presets by kind of application, widened by flags.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::Value;

use super::rights::Rights;
use crate::{
    application::{
        commands::register_client::{RegisterClient, Registered, register_client},
        registrar::Registrar,
    },
    cli::{CliError, registrar::secret_from_stdin},
    domain::{
        client::{
            AccessTokenFormat, AssertionAudience, ClientAuthMethod, ClientKind, ConsentPolicy,
            PkcePolicy, ResponseMode,
        },
        key::SigningAlgorithm,
        scope::Scope,
    },
};

const EXAMPLES: &str = "\
Examples:
  A script in the browser:
    countersign client create --spa --name Shop --redirect-uri https://shop.example/callback --origin https://shop.example
  A web application with a server:
    countersign client create --web --name Intranet --redirect-uri https://intra.example/callback
  A program on the user's device:
    countersign client create --native --name Notes --redirect-uri http://127.0.0.1/callback
  A service that acts for itself:
    countersign client create --service --name Importer --scope \"reports:write\" --resource https://api.example.com";

/// What `client create` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct CreateClient {
    #[command(flatten)]
    kind: Kind,
    /// What users are shown
    #[arg(long)]
    name: String,
    /// `client_id`; generated where absent
    #[arg(long)]
    client_id: Option<String>,
    /// Where users are sent back to; may be repeated. Compared byte by byte; on a loopback
    /// address any port matches
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Where users are sent after logging out; may be repeated
    #[arg(long, value_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// Everything it may ask for, in quotes [default: the usual one of an
    /// application with users; none for a service]
    #[arg(long)]
    scope: Option<Scope>,
    /// A resource server that it may ask tokens for; may be repeated
    #[arg(long, value_name = "URI")]
    resource: Vec<String>,
    /// A browser origin that may call the token endpoint, such as <https://app.example>; may be
    /// repeated. Those of a browser script's redirect URIs may anyway
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// How it may be answered; may be repeated [default: query, fragment and `form_post`]. A request
    /// that names no mode is answered by the first of them, in that order
    #[arg(long, value_name = "MODE")]
    response_mode: Vec<ResponseMode>,
    /// How it authenticates: `client_secret_basic`, `client_secret_post`, `private_key_jwt` or none
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<ClientAuthMethod>,
    /// Its public keys, a JWK Set in a file; implies `private_key_jwt`
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Whom its assertions may be addressed to; software that knows no other than the token
    /// endpoint needs the second
    #[arg(long, value_enum, default_value_t = Audience::Issuer)]
    assertion_audience: Audience,
    /// Read the secret from standard input instead of generating one
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    pkce: Pkce,
    /// When users are asked for consent
    #[arg(long, value_enum, default_value_t = Consent::Remember)]
    consent: Consent,
    /// Shape of its access tokens: jwt or opaque
    #[arg(long, default_value_t = AccessTokenFormat::Jwt)]
    access_token_format: AccessTokenFormat,
    /// Signature of its ID tokens: RS256, PS256, ES256 or `EdDSA`
    #[arg(long, default_value_t = SigningAlgorithm::Rs256)]
    id_token_alg: SigningAlgorithm,
    /// Requests that it may send in a minute to each endpoint [default: the server's
    /// `limits.requests_per_client`]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    requests_per_minute: Option<u64>,
    #[command(flatten)]
    rights: Rights,
}

/// Which kind of application it is: one flag of four.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and clap sees to it that there is one"
)]
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Kind {
    /// A script in the browser: public, PKCE
    #[arg(long)]
    spa: bool,
    /// A web application with a server of its own: has a secret
    #[arg(long)]
    web: bool,
    /// A program on the user's device: public, PKCE
    #[arg(long)]
    native: bool,
    /// A program that acts for itself (client credentials)
    #[arg(long)]
    service: bool,
}

impl Kind {
    fn parse(&self) -> ClientKind {
        match (self.spa, self.web, self.native) {
            (true, ..) => ClientKind::Spa,
            (_, true, _) => ClientKind::Web,
            (.., true) => ClientKind::Native,
            _ => ClientKind::Service,
        }
    }
}

/// Whether PKCE is required.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Pkce {
    /// Refuse authorization requests without PKCE (the default)
    #[arg(long)]
    require_pkce: bool,
    /// Tolerate authorization requests without PKCE, for old software with a secret
    #[arg(long)]
    pkce_optional: bool,
}

/// Whom the assertions of `private_key_jwt` may be addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Audience {
    /// The issuer alone
    Issuer,
    /// The token endpoint too
    TokenEndpoint,
}

/// When users are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Consent {
    /// Once for every scope value
    Remember,
    /// Every time
    Always,
    /// Never: the operator's own applications
    Implied,
}

impl From<Audience> for AssertionAudience {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::Issuer => Self::Issuer,
            Audience::TokenEndpoint => Self::TokenEndpoint,
        }
    }
}

impl From<Consent> for ConsentPolicy {
    fn from(consent: Consent) -> Self {
        match consent {
            Consent::Remember => Self::Remember,
            Consent::Always => Self::Always,
            Consent::Implied => Self::Implied,
        }
    }
}

impl CreateClient {
    pub(in crate::cli) async fn run(self, registrar: &Registrar) -> Result<Registered, CliError> {
        let jwks = self.jwks.as_ref().map(read_jwks).transpose()?;
        let secret = self.secret_stdin.then(secret_from_stdin).transpose()?;
        let command = RegisterClient {
            id: self.client_id,
            authentication: self.auth_method,
            secret,
            jwks,
            assertion_audience: self.assertion_audience.into(),
            redirect_uris: self.redirect_uri,
            post_logout_redirect_uris: self.post_logout_redirect_uri,
            scope: self.scope,
            resources: self.resource,
            origins: self.origin,
            response_modes: self.response_mode.into_iter().collect(),
            pkce: if self.pkce.pkce_optional && !self.pkce.require_pkce {
                PkcePolicy::Optional
            } else {
                PkcePolicy::Required
            },
            consent: self.consent.into(),
            access_token_format: self.access_token_format,
            id_token_algorithm: self.id_token_alg,
            requests_per_minute: self.requests_per_minute,
            rights: self.rights.parse()?,
            ..RegisterClient::preset(self.kind.parse(), self.name)
        };
        Ok(register_client(registrar, command).await?)
    }
}

pub(super) fn read_jwks(file: &PathBuf) -> Result<Value, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::failed(format!("cannot read {}: {error}", file.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::usage(format!("{} is no JWK Set: {error}", file.display()))
            .hint("a JWK Set is a JSON object: {\"keys\": [ … ]}")
    })
}
