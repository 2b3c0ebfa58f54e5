//! `client change`: every setting as a flag.

use std::{path::PathBuf, time::Duration};

use super::{
    create::{Audience, Consent, read_jwks},
    duration,
    rights::Rights,
};
use crate::{
    application::commands::edit_client::{Change, ClientEdit},
    cli::CliError,
    domain::{
        client::{AccessTokenFormat, PkcePolicy, RefreshRotation, ResponseMode},
        key::SigningAlgorithm,
        scope::Scope,
    },
};

const EXAMPLES: &str = "\
Examples:
  Other addresses, all of them:
    countersign client change shop --redirect-uri https://shop.example/callback --redirect-uri https://shop.example/silent
  Shorter lives, and back to the server's:
    countersign client change shop --access-token-lifetime 5m --refresh-idle 7d
    countersign client change shop --unset access-token-lifetime --unset refresh-idle
  What users are shown:
    countersign client change shop --name Shop --logo-uri https://shop.example/logo.svg --policy-uri https://shop.example/privacy";

/// Settings that need not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Unset {
    AccessTokenLifetime,
    IdTokenLifetime,
    RefreshIdle,
    RefreshAbsolute,
    RefreshGrace,
    DefaultMaxAge,
    ClientUri,
    LogoUri,
    PolicyUri,
    TosUri,
    RequestsPerMinute,
}

/// What `client change` takes. A list replaces the one that there is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct ClientChanges {
    /// What users are shown
    #[arg(long)]
    name: Option<String>,
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
    /// Whether authorization requests need PKCE: required or optional
    #[arg(long, value_parser = pkce)]
    pkce: Option<PkcePolicy>,
    /// When users are asked for consent
    #[arg(long, value_enum)]
    consent: Option<Consent>,
    /// Its public keys (`private_key_jwt`), a JWK Set in a file
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Whom its assertions may be addressed to (`private_key_jwt`)
    #[arg(long, value_enum)]
    assertion_audience: Option<Audience>,
    /// Shape of its access tokens: jwt or opaque
    #[arg(long)]
    access_token_format: Option<AccessTokenFormat>,
    /// Signature of its ID tokens: RS256, PS256, ES256 or `EdDSA`
    #[arg(long)]
    id_token_alg: Option<SigningAlgorithm>,
    /// What a refresh does to the refresh token: rotate or keep
    #[arg(long, value_parser = rotation)]
    refresh_rotation: Option<RefreshRotation>,
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
    /// Its rights, all of them, from a JSON file: docs/permissions.md
    #[arg(long, value_name = "FILE")]
    rights_file: Option<PathBuf>,
    /// Take a setting away, so that the server's holds; may be repeated
    #[arg(long, value_enum, value_name = "SETTING")]
    unset: Vec<Unset>,
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
#[expect(clippy::struct_field_names, reason = "they are the names of RFC 7591")]
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
}

fn pkce(text: &str) -> Result<PkcePolicy, String> {
    match text {
        "required" => Ok(PkcePolicy::Required),
        "optional" => Ok(PkcePolicy::Optional),
        _ => Err("choose required or optional".to_owned()),
    }
}

fn rotation(text: &str) -> Result<RefreshRotation, String> {
    match text {
        "rotate" => Ok(RefreshRotation::Rotate),
        "keep" => Ok(RefreshRotation::Keep),
        _ => Err("choose rotate or keep".to_owned()),
    }
}

impl ClientChanges {
    pub(in crate::cli) fn edit(self) -> Result<ClientEdit, CliError> {
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let rights = self.rights_file.as_deref().map(Rights::of_file);
        let mut edit = ClientEdit {
            name: self.name,
            redirect_uris: some(self.redirect_uri),
            post_logout_redirect_uris: some(self.post_logout_redirect_uri),
            scope: self.scope,
            resources: some(self.resource),
            origins: some(self.origin),
            response_modes: (!self.response_mode.is_empty())
                .then(|| self.response_mode.into_iter().collect()),
            pkce: self.pkce,
            consent: self.consent.map(Into::into),
            jwks: self.jwks.as_ref().map(read_jwks).transpose()?,
            assertion_audience: self.assertion_audience.map(Into::into),
            access_token_format: self.access_token_format,
            id_token_algorithm: self.id_token_alg,
            refresh_rotation: self.refresh_rotation,
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
            requests_per_minute: Change::to(self.requests_per_minute),
            rights: rights.transpose()?,
        };
        for setting in self.unset {
            setting.unset(&mut edit);
        }
        Ok(edit)
    }
}

impl Unset {
    fn unset(self, edit: &mut ClientEdit) {
        match self {
            Self::AccessTokenLifetime => edit.access_token_lifetime = Change::Unset,
            Self::IdTokenLifetime => edit.id_token_lifetime = Change::Unset,
            Self::RefreshIdle => edit.refresh_idle = Change::Unset,
            Self::RefreshAbsolute => edit.refresh_absolute = Change::Unset,
            Self::RefreshGrace => edit.refresh_grace = Change::Unset,
            Self::DefaultMaxAge => edit.default_max_age = Change::Unset,
            Self::ClientUri => edit.client_uri = Change::Unset,
            Self::LogoUri => edit.logo_uri = Change::Unset,
            Self::PolicyUri => edit.policy_uri = Change::Unset,
            Self::TosUri => edit.tos_uri = Change::Unset,
            Self::RequestsPerMinute => edit.requests_per_minute = Change::Unset,
        }
    }
}
