//! Certificates that clients present on a TLS connection (RFC 8705).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::names::UnknownName;

/// A certificate whose key the peer has, DER. Nothing else about it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// The peer's own.
    pub own: Vec<u8>,
    /// What it brought along to lead to an authority.
    pub chain: Vec<Vec<u8>>,
}

impl PresentedCertificate {
    /// `x5t#S256` (§3.1): the SHA-256 digest of the certificate, base64url.
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.own))
    }
}

/// The one name by which the certificate of a `tls_client_auth` client is known (§2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSubject {
    /// `tls_client_auth_subject_dn`, as RFC 4514 writes it.
    Dn(String),
    /// `tls_client_auth_san_dns`
    Dns(String),
    /// `tls_client_auth_san_uri`
    Uri(String),
    /// `tls_client_auth_san_ip`
    Ip(std::net::IpAddr),
    /// `tls_client_auth_san_email`
    Email(String),
}

impl CertificateSubject {
    /// The name that is registered under `tls_client_auth_` and this: nothing, if there is no such kind or
    /// the value cannot be one.
    pub fn parse(kind: &str, value: &str) -> Option<Self> {
        let is_text =
            !value.is_empty() && value.len() <= 500 && !value.chars().any(char::is_control);
        let text = is_text.then(|| value.to_owned())?;
        match kind {
            "subject_dn" => Some(Self::Dn(text)),
            "san_dns" => Some(Self::Dns(text)),
            "san_uri" => Some(Self::Uri(text)),
            "san_ip" => text.parse().ok().map(Self::Ip),
            "san_email" => Some(Self::Email(text)),
            _ => None,
        }
    }

    /// The kinds of names, as [`CertificateSubject::parse`] knows them.
    pub const KINDS: [&str; 5] = ["subject_dn", "san_dns", "san_uri", "san_ip", "san_email"];

    /// Its kind and value.
    pub fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Dn(name) => ("subject_dn", name.clone()),
            Self::Dns(name) => ("san_dns", name.clone()),
            Self::Uri(name) => ("san_uri", name.clone()),
            Self::Ip(address) => ("san_ip", address.to_string()),
            Self::Email(name) => ("san_email", name.clone()),
        }
    }
}

/// `san_dns=shop.example`, for the command line.
impl std::str::FromStr for CertificateSubject {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let (kind, value) = text.split_once('=').ok_or(UnknownName)?;
        Self::parse(kind, value).ok_or(UnknownName)
    }
}

/// `cnf` of an access token (RFC 7800 §3.1, RFC 8705 §3.1): what its bearer must prove to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The thumbprint of the certificate.
    #[serde(rename = "x5t#S256")]
    pub certificate: String,
}

impl Confirmation {
    /// Whether this certificate, or none, is what the token is bound to.
    pub fn is_met(&self, presented: Option<&PresentedCertificate>) -> bool {
        presented.is_some_and(|certificate| certificate.thumbprint() == self.certificate)
    }
}
