//! The application as a page presents it: its name, which anyone may choose, and its place, which nobody can fake.

use std::fmt;

use url::Url;

use super::links::HttpsUrl;
use crate::web::csp::PagePolicy;

/// An application that asks for something.
#[derive(Clone, Debug)]
pub struct ClientView<'a> {
    name: &'a str,
    redirect_uri: Option<Url>,
    links: ClientLinks<'a>,
}

/// Addresses from the application's registration (RFC 7591 section 2), already known to be https.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientLinks<'a> {
    /// `client_uri`
    pub home: Option<HttpsUrl<'a>>,
    /// `policy_uri`
    pub policy: Option<HttpsUrl<'a>>,
    /// `tos_uri`
    pub terms: Option<HttpsUrl<'a>>,
}

impl ClientLinks<'_> {
    pub(super) fn has_pages(&self) -> bool {
        self.home.is_some() || self.policy.is_some() || self.terms.is_some()
    }
}

impl<'a> ClientView<'a> {
    /// `name` is the client's display name or its identifier; `redirect_uri` is the one of this interaction.
    pub fn new(name: &'a str, redirect_uri: &str) -> Self {
        Self {
            name,
            redirect_uri: Url::parse(redirect_uri).ok(),
            links: ClientLinks::default(),
        }
    }

    /// Adds the addresses of its registration.
    #[must_use]
    pub fn with_links(mut self, links: ClientLinks<'a>) -> Self {
        self.links = links;
        self
    }

    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    pub(super) fn links(&self) -> &ClientLinks<'a> {
        &self.links
    }

    /// The first letter of its name, where it has no logo.
    pub(super) fn initial(&self) -> String {
        self.name
            .chars()
            .find(|c| c.is_alphanumeric())
            .map(|c| c.to_uppercase().collect())
            .unwrap_or_default()
    }

    /// Where the answer goes: the host, in its ASCII form so that look-alike letters show.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        self.redirect_uri.as_ref().map(Place::of)
    }

    /// Allows forms of this interaction to end at the application.
    pub(super) fn allow_forms(&self, policy: PagePolicy) -> PagePolicy {
        match &self.redirect_uri {
            Some(target) => policy.forms_ending_at(target),
            None => policy,
        }
    }
}

/// Where an application lives, as its redirect URI proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    Site(&'a str),
    ThisDevice,
    InstalledApp(&'a str),
}

impl<'a> Place<'a> {
    fn of(redirect_uri: &'a Url) -> Self {
        match (redirect_uri.scheme(), redirect_uri.host()) {
            ("http" | "https", Some(url::Host::Ipv4(address))) if address.is_loopback() => {
                Self::ThisDevice
            }
            ("http" | "https", Some(url::Host::Ipv6(address))) if address.is_loopback() => {
                Self::ThisDevice
            }
            ("http" | "https", Some(url::Host::Domain("localhost"))) => Self::ThisDevice,
            ("http" | "https", Some(_)) => Self::Site(redirect_uri.host_str().unwrap_or_default()),
            (scheme, _) => Self::InstalledApp(scheme),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site(host) => f.write_str(host),
            Self::ThisDevice => f.write_str("on this device"),
            Self::InstalledApp(scheme) => write!(f, "installed app {scheme}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(redirect_uri: &str) -> String {
        ClientView::new("Reader", redirect_uri)
            .place()
            .unwrap()
            .to_string()
    }

    #[test]
    fn the_place_comes_from_the_redirect_uri() {
        assert_eq!(place("https://reader.example:8443/cb"), "reader.example");
        assert_eq!(place("http://127.0.0.1:5000/cb"), "on this device");
        assert_eq!(place("http://[::1]/cb"), "on this device");
        assert_eq!(
            place("com.example.app:/cb"),
            "installed app com.example.app"
        );
    }

    #[test]
    fn a_look_alike_host_shows_its_ascii_form() {
        // The first letter is Cyrillic.
        assert_eq!(
            place("https://\u{430}pple.example/cb"),
            "xn--pple-43d.example"
        );
    }

    #[test]
    fn the_monogram_skips_punctuation() {
        assert_eq!(ClientView::new("<b>", "https://a.example/").initial(), "B");
        assert_eq!(ClientView::new("…", "https://a.example/").initial(), "");
    }
}
