//! `[mtls]`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use super::reader::Reader;
use crate::protocol::issuer::Issuer;

/// Clients that present certificates (RFC 8705).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsConfig {
    /// The listener that asks for certificates; none where absent.
    pub listen: Option<SocketAddr>,
    /// Whether trusted proxies tell of certificates (RFC 9440).
    pub proxy_header: bool,
    /// Authorities of clients' certificates, PEM.
    pub ca_file: Option<PathBuf>,
    /// By which base URL clients reach an endpoint that asks for certificates, if another than the issuer's.
    pub url: Option<String>,
}

impl MtlsConfig {
    /// Whether certificates arrive here at all.
    pub fn is_on(&self) -> bool {
        self.listen.is_some() || self.proxy_header
    }
}

/// `None` only if the reader noted a problem.
pub(super) fn read(r: &mut Reader, has_tls: bool, issuer: Option<&Issuer>) -> Option<MtlsConfig> {
    let port = r.optional_integer("mtls.port", 1..=u64::from(u16::MAX));
    let port = port.and_then(|port| u16::try_from(port).ok());
    let address = r.parsed::<IpAddr>("mtls.address", "write an IP address such as 0.0.0.0 or ::");
    let header = r.with("mtls.proxy_header", |text| match text {
        "off" => Ok(false),
        "client-cert" => Ok(true),
        _ => Err("choose off or client-cert".to_owned()),
    });
    let ca_file = r.optional("mtls.ca_file", |file| Ok(file.into()));
    let url = r.optional("mtls.url", |text| {
        let url = Issuer::parse(text).map(|url| url.as_str().to_owned());
        url.map_err(|_| "write an https address without a slash at the end".to_owned())
    });
    let address = address?;
    if port.is_some() && !has_tls {
        return r.problem(
            "mtls.port",
            "needs TLS in the process",
            "name tls.certificate and tls.key, or let the proxy tell: mtls.proxy_header",
        );
    }
    let usual = || {
        issuer
            .zip(port)
            .and_then(|(issuer, port)| with_port(issuer, port))
    };
    Some(MtlsConfig {
        listen: port.map(|port| SocketAddr::new(address, port)),
        proxy_header: header?,
        ca_file: ca_file?,
        url: url?.or_else(usual),
    })
}

/// The same host at another port.
fn with_port(issuer: &Issuer, port: u16) -> Option<String> {
    let mut url: url::Url = issuer.as_str().parse().ok()?;
    url.set_port(Some(port)).ok()?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}
