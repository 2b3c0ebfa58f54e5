//! What the operator decides about the protocol.

use std::{sync::Arc, time::Duration};

use super::limits::Endpoint;
use crate::{
    domain::{algorithm::SigningAlgorithm, brand::Branding, client::Client, user::Email},
    protocol::{capability::Features, issuer::Issuer, refresh::RefreshPolicy},
};

/// Issuer, features and lifetimes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer identifier.
    pub issuer: Issuer,
    /// What is offered.
    pub features: Features,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// Signature algorithm of access tokens.
    pub access_token_algorithm: SigningAlgorithm,
    /// How often a login may be tried.
    pub login_limits: LoginLimits,
    /// How long events of the trail are kept; for good where absent.
    pub audit_retention: Option<Duration>,
    /// How pages and mails look.
    pub branding: Arc<Branding>,
    /// How long an account is only locked after its user asked for its deletion.
    pub deletion_grace: Duration,
    /// How much may be asked.
    pub request_limits: RequestLimits,
    /// Who may make an account.
    pub registration: Registration,
}

/// Who may make an account of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody: operators make accounts.
    Off,
    /// Whoever has an email address.
    Anybody,
    /// Who has one at one of these domains, in lower case.
    Domains(Vec<String>),
}

impl Registration {
    /// Whether anybody may.
    pub fn is_on(&self) -> bool {
        *self != Self::Off
    }

    /// Whether who has this address may.
    pub fn admits(&self, email: &Email) -> bool {
        let domain = email.as_str().split_once('@').map(|(_, domain)| domain);
        match self {
            Self::Off => false,
            Self::Anybody => true,
            Self::Domains(domains) => {
                domain.is_some_and(|domain| domains.iter().any(|known| known == domain))
            }
        }
    }
}

/// How long things live where a client does not say otherwise.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// An authorization code.
    pub code: Duration,
    /// A pending login or consent.
    pub interaction: Duration,
    /// An access token.
    pub access_token: Duration,
    /// An ID token.
    pub id_token: Duration,
    /// A refresh token without use.
    pub refresh_idle: Duration,
    /// A refresh family in any case.
    pub refresh_absolute: Duration,
    /// How long the previous refresh token may be retried.
    pub refresh_grace: Duration,
    /// A session without use.
    pub session_idle: Duration,
    /// A session in any case.
    pub session_absolute: Duration,
    /// A session in any case, where the user asked to be remembered.
    pub session_remembered: Duration,
}

impl Lifetimes {
    /// How long any session may last.
    pub fn longest_session(&self) -> Duration {
        self.session_absolute.max(self.session_remembered)
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        Self {
            code: Duration::from_secs(MINUTE),
            interaction: Duration::from_secs(30 * MINUTE),
            access_token: Duration::from_secs(10 * MINUTE),
            id_token: Duration::from_secs(10 * MINUTE),
            refresh_idle: Duration::from_secs(14 * DAY),
            refresh_absolute: Duration::from_secs(90 * DAY),
            refresh_grace: Duration::from_secs(10),
            session_idle: Duration::from_secs(8 * HOUR),
            session_absolute: Duration::from_secs(12 * HOUR),
            session_remembered: Duration::from_secs(30 * DAY),
        }
    }
}

/// How many logins may fail before more are refused without looking at the password.
#[derive(Clone, Debug)]
pub struct LoginLimits {
    /// For one account from one address, or from one browser that it knows, within `window`.
    pub per_account: u64,
    /// For one account from all addresses together within `window`; known browsers aside.
    pub per_account_total: u64,
    /// From one address within `window`.
    pub per_address: u64,
    /// How long failures count.
    pub window: Duration,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            per_account: 10,
            per_account_total: 100,
            per_address: 100,
            window: Duration::from_mins(15),
        }
    }
}

/// How many requests are answered in a minute. Where there is no number, there is no limit.
#[derive(Clone, Debug)]
pub struct RequestLimits {
    /// At the token endpoint, and at the administration API, from one address.
    pub token: Option<u64>,
    /// At the introspection endpoint, from one address.
    pub introspection: Option<u64>,
    /// At the revocation endpoint, from one address.
    pub revocation: Option<u64>,
    /// At the authorization endpoint, from one address.
    pub authorization: Option<u64>,
    /// Login forms, from one address.
    pub login: Option<u64>,
    /// How many times as much a whole network may ask.
    pub network_factor: u64,
    /// At each endpoint, of one client that says nothing else.
    pub client: Option<u64>,
    /// At the authorization endpoint, of one user.
    pub account: Option<u64>,
}

impl RequestLimits {
    /// Nobody is limited.
    pub const OFF: Self = Self {
        token: None,
        introspection: None,
        revocation: None,
        authorization: None,
        login: None,
        network_factor: 1,
        client: None,
        account: None,
    };

    /// What may come from one address.
    pub fn per_address(&self, endpoint: Endpoint) -> Option<u64> {
        match endpoint {
            Endpoint::Token | Endpoint::Administration => self.token,
            Endpoint::Introspection => self.introspection,
            Endpoint::Revocation => self.revocation,
            Endpoint::Authorization => self.authorization,
            Endpoint::Login | Endpoint::Registration => self.login,
        }
    }

    /// What a client may ask: what it was registered with comes first.
    pub fn of_client(&self, client: &Client) -> Option<u64> {
        client.requests_per_minute.or(self.client)
    }

    /// What a user may ask.
    pub fn of_account(&self) -> Option<u64> {
        self.account
    }
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            token: Some(6_000),
            introspection: Some(60_000),
            revocation: Some(6_000),
            authorization: Some(1_200),
            login: Some(300),
            network_factor: 4,
            client: Some(60_000),
            account: Some(300),
        }
    }
}

impl Settings {
    /// Life of an access token for `client`.
    pub fn access_token_lifetime(&self, client: &Client) -> Duration {
        client
            .tokens
            .access_token_lifetime
            .unwrap_or(self.lifetimes.access_token)
    }

    /// Life of an ID token for `client`.
    pub fn id_token_lifetime(&self, client: &Client) -> Duration {
        client
            .tokens
            .id_token_lifetime
            .unwrap_or(self.lifetimes.id_token)
    }

    /// The rules of refresh tokens for `client`.
    pub fn refresh_policy(&self, client: &Client) -> RefreshPolicy {
        RefreshPolicy {
            rotation: client.tokens.refresh_rotation,
            idle: client
                .tokens
                .refresh_idle
                .unwrap_or(self.lifetimes.refresh_idle),
            absolute: client
                .tokens
                .refresh_absolute
                .unwrap_or(self.lifetimes.refresh_absolute),
            grace: client
                .tokens
                .refresh_grace
                .unwrap_or(self.lifetimes.refresh_grace),
        }
    }
}
