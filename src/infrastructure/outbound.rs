//! The one way to addresses that clients registered (security.md 114, 115): https only, no redirects, no
//! proxy, bounded in time and size, and never into a private network that the operator did not open.
//!
//! The name is resolved here and the connection goes to what was looked at, so a name cannot change its
//! meaning in between.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::{
    Certificate, Client, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::{Host, Url};

use crate::application::ports::{Outbound, SendError};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long everything may take. Shorter than the lease of a message.
const TOTAL: Duration = Duration::from_secs(10);

/// What the operator says about requests to clients.
#[derive(Clone, Debug, Default)]
pub struct OutboundOptions {
    /// Private networks that clients may live in.
    pub allowed_networks: Vec<IpNet>,
    /// Certificates of authorities (PEM) besides the public ones.
    pub ca_file: Option<PathBuf>,
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The file of certificates.
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    /// Certificates, or the client itself.
    #[error("the HTTP client for requests to applications cannot be made")]
    Client(#[from] reqwest::Error),
}

/// See the module.
pub struct GuardedClient {
    client: Client,
    guard: Arc<Guard>,
}

impl GuardedClient {
    /// Prepares the client.
    pub fn new(options: &OutboundOptions) -> Result<Self, OutboundError> {
        let guard = Arc::new(Guard {
            allowed: options.allowed_networks.clone(),
        });
        let mut builder = Client::builder()
            .no_proxy()
            .https_only(true)
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(GuardedResolver(guard.clone())));
        if let Some(file) = &options.ca_file {
            let pem =
                std::fs::read(file).map_err(|error| OutboundError::File(file.clone(), error))?;
            for certificate in Certificate::from_pem_bundle(&pem)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            client: builder.build()?,
            guard,
        })
    }
}

impl GuardedClient {
    fn admitted(&self, text: &str) -> Result<Url, SendError> {
        let mut url = Url::parse(text).map_err(|error| SendError::Permanent(error.to_string()))?;
        if self.refuses(&url) {
            let problem = "the address is not https or leads into a private network";
            return Err(SendError::Permanent(problem.to_owned()));
        }
        url.set_fragment(None);
        Ok(url)
    }
}

#[async_trait]
impl Outbound for GuardedClient {
    async fn post_form(&self, to: &str, fields: &[(&str, &str)]) -> Result<(), SendError> {
        let url = self.admitted(to)?;
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        // The answer's body is never read.
        let response = request
            .send()
            .await
            .map_err(|error| SendError::Temporary(deepest(&error)))?;
        verdict(response.status())
    }

    async fn get(&self, from: &str, most: usize) -> Result<Vec<u8>, SendError> {
        let url = self.admitted(from)?;
        let temporary = |error: reqwest::Error| SendError::Temporary(deepest(&error));
        let mut response = self.client.get(url).send().await.map_err(temporary)?;
        verdict(response.status())?;
        let mut content = Vec::new();
        // What it says of its length is not believed.
        while let Some(chunk) = response.chunk().await.map_err(temporary)? {
            if content.len() + chunk.len() > most {
                let problem = format!("the application sent more than {most} bytes");
                return Err(SendError::Permanent(problem));
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content)
    }

    fn refuses(&self, url: &Url) -> bool {
        let is_closed = match url.host() {
            Some(Host::Ipv4(address)) => !self.guard.admits(address.into()),
            Some(Host::Ipv6(address)) => !self.guard.admits(address.into()),
            Some(Host::Domain(_)) => false,
            None => true,
        };
        is_closed || url.scheme() != "https"
    }
}

/// Any success will do (OIDC Back-Channel Logout §2.8). What is said to be wrong with the request stays
/// wrong.
fn verdict(status: StatusCode) -> Result<(), SendError> {
    if status.is_success() {
        return Ok(());
    }
    let told = format!("the application answered {}", status.as_u16());
    let may_change = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT;
    Err(if may_change {
        SendError::Temporary(told)
    } else {
        SendError::Permanent(told)
    })
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Which addresses may be reached.
struct Guard {
    allowed: Vec<IpNet>,
}

impl Guard {
    fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address)
            || self
                .allowed
                .iter()
                .any(|network| network.contains(&address))
    }
}

/// Whether an address belongs to the public Internet (RFC 6890), as far as it can be told.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !is_special
}

/// Only what is given out as global unicast, without documentation, 6to4 and Teredo, which carry another
/// address inside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global = a & 0xe000 == 0x2000;
    let is_special = a == 0x2002 || (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x3fff;
    is_global && !is_special
}

/// Looks names up, and forgets what may not be reached.
struct GuardedResolver(Arc<Guard>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<SocketAddr> = found.filter(|it| guard.admits(it.ip())).collect();
            if admitted.is_empty() {
                let problem = "the name leads into a private network";
                return Err(std::io::Error::other(problem).into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn client(allowed: &[&str]) -> GuardedClient {
        GuardedClient::new(&OutboundOptions {
            allowed_networks: allowed.iter().map(|it| it.parse().unwrap()).collect(),
            ca_file: None,
        })
        .unwrap()
    }

    #[test]
    fn c114_private_addresses_are_refused_in_every_spelling() {
        let client = client(&[]);
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:10.0.0.1]",
            "[fe80::1]",
            "[fc00::1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::]",
            "[2001:db8::1]",
        ] {
            let url = Url::parse(&format!("https://{host}/x")).unwrap();
            assert!(client.refuses(&url), "{host}");
        }
        assert!(client.refuses(&Url::parse("http://rp.example/x").unwrap()));
        for host in ["rp.example", "93.184.216.34", "[2606:4700::1]"] {
            let url = Url::parse(&format!("https://{host}/x")).unwrap();
            assert!(!client.refuses(&url), "{host}");
        }
    }

    #[tokio::test]
    async fn c115_a_name_that_leads_inside_is_not_connected_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!(
            "https://localhost:{}/x",
            listener.local_addr().unwrap().port()
        );
        let refused = client(&[]).post_form(&url, &[]).await.unwrap_err();
        assert_eq!(
            refused,
            SendError::Temporary("the name leads into a private network".into())
        );
        assert!(listener.accept().is_err(), "nobody came");
        // The same name where the operator opened the network: somebody comes.
        let open = client(&["127.0.0.0/8", "::1/128"]);
        let posted = tokio::spawn(async move { open.post_form(&url, &[]).await });
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        listener.accept().await.unwrap();
        posted.abort();
    }
}
