//! What can be said of a client when it is registered and when it is changed, as flags.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use serde_json::Value;

use super::{duration, rights::Rights};
use crate::{
    application::commands::edit_client::{Change, ClientEdit},
    cli::CliError,
    domain::{
        algorithm::{Encryption, TokenAlgorithm},
        certificate::CertificateSubject,
        client::{
            AccessTokenFormat, AssertionAudience, ConsentPolicy, PkcePolicy, RefreshRotation,
            ResponseMode,
        },
        response_type::ResponseType,
        scope::Scope,
    },
};

/// Settings of a client.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// Where users are sent back to; may be repeated
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Where users are sent after logging out; may be repeated
    #[arg(long, value_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// Everything it may ask for, in quotes
    #[arg(long)]
    scope: Option<Scope>,
    /// A resource server that it may ask tokens for; may be repeated
    #[arg(long, value_name = "URI")]
    resource: Vec<String>,
    /// A browser origin that may call the token endpoint; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// How it may be answered: query, fragment, `form_post`; may be repeated
    #[arg(long, value_name = "MODE")]
    response_mode: Vec<ResponseMode>,
    /// What it may ask for: code, or in quotes "code `id_token`" and the like; may be repeated
    #[arg(long, value_name = "TYPE")]
    response_type: Vec<ResponseType>,
    /// Whether authorization requests need PKCE: required or optional
    #[arg(long, value_enum)]
    pkce: Option<Pkce>,
    /// When users are asked for consent
    #[arg(long, value_enum)]
    consent: Option<Consent>,
    /// Its public keys (`private_key_jwt`, request objects), a JWK Set in a file
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Whom its assertions may be addressed to (`private_key_jwt`)
    #[arg(long, value_enum)]
    assertion_audience: Option<Audience>,
    /// The name in its certificate (`tls_client_auth`): `subject_dn=CN=shop,O=Shop`, `san_dns=shop.example`,
    /// `san_uri=…`, `san_ip=…` or `san_email=…`
    #[arg(long, value_name = "KIND=NAME")]
    tls_subject: Option<CertificateSubject>,
    /// Whether its access tokens work only with the certificate that they were fetched with
    #[arg(long, value_name = "BOOL")]
    certificate_bound: Option<bool>,
    /// Shape of its access tokens: jwt or opaque
    #[arg(long)]
    access_token_format: Option<AccessTokenFormat>,
    /// What secures its ID tokens: RS256, ES256 and the like, HS256 (its secret), or none
    #[arg(long)]
    id_token_alg: Option<TokenAlgorithm>,
    /// What a refresh does to the refresh token: rotate or keep
    #[arg(long, value_enum)]
    refresh_rotation: Option<Rotation>,
    #[command(flatten)]
    lives: Lives,
    #[command(flatten)]
    links: Links,
    /// Logins older than so many seconds are asked for anew where a request says nothing
    #[arg(long, value_name = "SECONDS")]
    default_max_age: Option<u64>,
    /// Requests that it may send in a minute to each endpoint
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    requests_per_minute: Option<u64>,
    #[command(flatten)]
    rights: Rights,
}

/// Lives of its tokens.
#[derive(Debug, clap::Args)]
struct Lives {
    /// Life of its access tokens, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    access_token_lifetime: Option<Duration>,
    /// Life of its ID tokens
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    id_token_lifetime: Option<Duration>,
    /// A refresh token that was not used for so long is dead
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    refresh_idle: Option<Duration>,
    /// Refresh tokens end after so long in any case
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    refresh_absolute: Option<Duration>,
    /// How long a rotated refresh token may be retried; 0s for never
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    refresh_grace: Option<Duration>,
}

/// What users are shown besides the name; https addresses.
#[derive(Debug, clap::Args)]
struct Links {
    /// Its home page
    #[arg(long, value_name = "URI")]
    client_uri: Option<String>,
    /// Its logo
    #[arg(long, value_name = "URI")]
    logo_uri: Option<String>,
    /// Its privacy policy
    #[arg(long, value_name = "URI")]
    policy_uri: Option<String>,
    /// Its terms of service
    #[arg(long, value_name = "URI")]
    tos_uri: Option<String>,
    /// Where others may begin a login at it (OIDC Core §4)
    #[arg(long, value_name = "URI")]
    initiate_login_uri: Option<String>,
    /// Where its public keys are, a JWK Set
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
    /// Where its request objects may be, fragment included; may be repeated
    #[arg(long, value_name = "URI")]
    request_uri: Vec<String>,
    /// Signature of its request objects, if only one will do
    #[arg(long, value_name = "ALG")]
    request_object_alg: Option<TokenAlgorithm>,
    /// Encryption of its request objects, if they are encrypted: as --id-token-encryption
    #[arg(long, value_name = "ALG[,ENC]")]
    request_object_encryption: Option<Encryption>,
    /// Signature of its userinfo, which is plain JSON otherwise
    #[arg(long, value_name = "ALG")]
    userinfo_alg: Option<TokenAlgorithm>,
    /// Encryption of its ID tokens to a key of its JWK Set, such as ECDH-ES or RSA-OAEP-256,A256GCM
    #[arg(long, value_name = "ALG[,ENC]")]
    id_token_encryption: Option<Encryption>,
    /// Encryption of its userinfo: as --id-token-encryption
    #[arg(long, value_name = "ALG[,ENC]")]
    userinfo_encryption: Option<Encryption>,
    /// What a frame loads when a session ends (OIDC Front-Channel Logout)
    #[arg(long, value_name = "URI")]
    frontchannel_logout_uri: Option<String>,
    /// Where a logout token is posted when a session ends (OIDC Back-Channel Logout)
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
}

/// Whom the assertions of `private_key_jwt` may be addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Audience {
    /// The issuer alone
    Issuer,
    /// The token endpoint too
    TokenEndpoint,
}

/// When users are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Consent {
    /// Once for every scope value
    Remember,
    /// Every time
    Always,
    /// Never: the operator's own applications
    Implied,
}

/// Whether authorization requests need PKCE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pkce {
    /// A request without is refused
    Required,
    /// It is tolerated, for old software with a secret
    Optional,
}

/// What a refresh does to the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rotation {
    /// It is replaced
    Rotate,
    /// It stays
    Keep,
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

impl From<Pkce> for PkcePolicy {
    fn from(pkce: Pkce) -> Self {
        match pkce {
            Pkce::Required => Self::Required,
            Pkce::Optional => Self::Optional,
        }
    }
}

impl From<Rotation> for RefreshRotation {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::Rotate => Self::Rotate,
            Rotation::Keep => Self::Keep,
        }
    }
}

impl Settings {
    /// What the flags say; what they do not say is kept.
    pub(super) fn edit(self) -> Result<ClientEdit, CliError> {
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        Ok(ClientEdit {
            name: None,
            redirect_uris: some(self.redirect_uri),
            post_logout_redirect_uris: some(self.post_logout_redirect_uri),
            scope: self.scope,
            resources: some(self.resource),
            origins: some(self.origin),
            response_modes: (!self.response_mode.is_empty())
                .then(|| self.response_mode.into_iter().collect()),
            response_types: (!self.response_type.is_empty())
                .then(|| self.response_type.into_iter().collect()),
            pkce: self.pkce.map(Into::into),
            consent: self.consent.map(Into::into),
            jwks: self.jwks.as_ref().map(read_jwks).transpose()?,
            refreshes: None,
            jwks_uri: Change::to(self.links.jwks_uri),
            request_uris: some(self.links.request_uri),
            request_object_algorithm: Change::to(self.links.request_object_alg),
            userinfo_algorithm: Change::to(self.links.userinfo_alg),
            id_token_encryption: Change::to(self.links.id_token_encryption),
            userinfo_encryption: Change::to(self.links.userinfo_encryption),
            request_object_encryption: Change::to(self.links.request_object_encryption),
            assertion_audience: self.assertion_audience.map(Into::into),
            certificate_subject: self.tls_subject,
            certificate_bound: self.certificate_bound,
            access_token_format: self.access_token_format,
            id_token_algorithm: self.id_token_alg,
            refresh_rotation: self.refresh_rotation.map(Into::into),
            access_token_lifetime: Change::to(self.lives.access_token_lifetime),
            id_token_lifetime: Change::to(self.lives.id_token_lifetime),
            refresh_idle: Change::to(self.lives.refresh_idle),
            refresh_absolute: Change::to(self.lives.refresh_absolute),
            refresh_grace: Change::to(self.lives.refresh_grace),
            default_max_age: Change::to(self.default_max_age),
            client_uri: Change::to(self.links.client_uri),
            logo_uri: Change::to(self.links.logo_uri),
            policy_uri: Change::to(self.links.policy_uri),
            tos_uri: Change::to(self.links.tos_uri),
            initiate_login_uri: Change::to(self.links.initiate_login_uri),
            frontchannel_logout_uri: Change::to(self.links.frontchannel_logout_uri),
            backchannel_logout_uri: Change::to(self.links.backchannel_logout_uri),
            requests_per_minute: Change::to(self.requests_per_minute),
            rights: self.rights.said()?,
        })
    }
}

fn read_jwks(file: &PathBuf) -> Result<Value, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::failed(format!("cannot read {}: {error}", file.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::usage(format!("{} is no JWK Set: {error}", file.display()))
            .hint("a JWK Set is a JSON object: {\"keys\": [ … ]}")
    })
}
