//! Use cases: commands change, queries read; both load, let the protocol decide, and apply.

pub mod access;
pub mod administration;
pub mod client_auth;
mod client_keys;
pub mod client_logos;
mod client_secrets;
pub mod commands;
pub mod courier;
pub mod directory;
mod error;
pub mod explanation;
pub mod fetched;
pub mod handlers;
pub mod interactions;
pub mod issue;
pub mod limits;
mod login_limits;
pub mod logout_notices;
pub mod mail;
mod new_password;
pub mod one_time;
pub mod ports;
pub mod protect;
pub mod queries;
pub mod records;
pub mod refusals;
pub mod registrar;
mod request_objects;
pub mod settings;
pub mod state;
pub mod trail;
pub mod upkeep;

use std::sync::Arc;

use self::{
    directory::Directory,
    fetched::Fetched,
    limits::Limits,
    mail::PostOffice,
    ports::{
        Certificates, Clock, Ledger, Outbound, PasswordHasher, Rng, Sealer, Store, TokenSigner,
        state::StateStore,
    },
    refusals::Refusals,
    settings::Settings,
};
pub use self::{error::Failure, new_password::NewPasswordError};
use crate::domain::brand::Logo;
use crate::protocol::{known_device::DeviceKey, refresh::RefreshKey};

/// Everything a use case may need. One per process.
pub struct Ports {
    /// What must last.
    pub store: Arc<dyn Store>,
    /// What is short-lived and hot.
    pub state: Arc<dyn StateStore>,
    /// What every request knows of clients, users and resources.
    pub directory: Arc<Directory>,
    /// What requests of the same moment write together.
    pub ledger: Arc<dyn Ledger>,
    /// Signing keys.
    pub signer: Arc<dyn TokenSigner>,
    /// Password hashing.
    pub passwords: Arc<dyn PasswordHasher>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// What seals requests that wait for their users.
    pub sealer: Arc<dyn Sealer>,
    /// The key under which refresh tokens are made.
    pub refresh_key: RefreshKey,
    /// The key that tells browsers that an account knows.
    pub device_key: DeviceKey,
    /// Mail.
    pub post: PostOffice,
    /// The way to servers of clients.
    pub outbound: Arc<dyn Outbound>,
    /// Who vouches for certificates of clients.
    pub certificates: Arc<dyn Certificates>,
    /// Keys that were fetched from servers of clients.
    pub client_keys: Fetched<serde_json::Value>,
    /// Pictures that were fetched from servers of clients.
    pub client_logos: Fetched<Logo>,
    /// How much was asked.
    pub limits: Limits,
    /// Refusals that share a line of the trail.
    pub refusals: Refusals,
    /// Checks the JWK Set of a client; the error says what is wrong with it.
    pub check_jwks: fn(&serde_json::Value) -> Result<(), String>,
    /// What the operator configured.
    pub settings: Settings,
}

impl Ports {
    /// A fresh secret of 256 bits, base64url.
    pub fn secret(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut bytes = [0_u8; 32];
        self.rng.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A fresh identifier of 128 bits, base64url. Unguessable, but not a secret.
    pub fn identifier(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut bytes = [0_u8; 16];
        self.rng.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}
