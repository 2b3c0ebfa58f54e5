//! HTTP: routes, endpoints, pages.

pub mod answer;
pub mod api;
pub mod assets;
pub mod brand;
pub mod compression;
pub mod context;
pub mod cookies;
pub mod csp;
pub mod errands;
pub mod guard;
pub mod health;
pub mod limits;
pub mod oauth;
pub mod pages;
pub mod respond;
pub mod router;
pub mod server;
pub mod session;

use self::{cookies::Cookies, errands::Errands, pages::ServerMode};
use crate::{
    application::{Ports, ports::Document},
    protocol::metadata,
};

/// What every handler shares.
pub struct Web {
    /// The use cases' surroundings.
    pub ports: Ports,
    /// Provider metadata, encoded once.
    pub metadata: Document,
    /// How cookies are named and marked.
    pub cookies: Cookies,
    /// Whether this is a developer's machine.
    pub mode: ServerMode,
    /// What goes on after its request was answered.
    pub errands: Errands,
}

impl Web {
    /// Prepares what stays the same as long as the process runs.
    pub fn new(ports: Ports, mode: ServerMode) -> Result<Self, serde_json::Error> {
        let document = metadata::document(&ports.settings.issuer, &ports.settings.features);
        let metadata = Document::of(serde_json::to_vec(&document)?);
        let cookies = Cookies::new(ports.settings.issuer.is_https());
        Ok(Self {
            ports,
            metadata,
            cookies,
            mode,
            errands: Errands::default(),
        })
    }
}
