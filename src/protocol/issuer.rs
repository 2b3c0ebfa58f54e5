//! OIDC Discovery §3, RFC 8414 §2, RFC 9207 — the issuer identifier, and every URL under it.

use std::fmt;

use url::Url;

use crate::domain::redirect_uri::is_loopback;

/// This provider's issuer identifier: an https URL (http on loopback) without query and fragment,
/// kept byte for byte as configured because clients compare it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    url: Url,
}

/// Why a text is not an issuer identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Not an absolute URL with a host.
    #[error("the issuer must be an absolute URL with a host")]
    NotAbsolute,
    /// Plain http beyond this machine.
    #[error("the issuer must use https, except on a loopback address")]
    PlainHttp,
    /// Has a query, a fragment, or user information.
    #[error("the issuer must have neither query, fragment nor user information")]
    Extra,
    /// Ends with a slash, which no two programs join the same way.
    #[error("the issuer must not end with a slash")]
    TrailingSlash,
    /// Has a path. Pages and cookies live at the root of their host.
    #[error("the issuer must not have a path; give the server a host name of its own")]
    Path,
}

impl Issuer {
    /// Checks a configured issuer.
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let url = Url::parse(text).map_err(|_| IssuerError::NotAbsolute)?;
        if !url.has_host() {
            return Err(IssuerError::NotAbsolute);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return Err(IssuerError::PlainHttp),
        }
        if url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(IssuerError::Extra);
        }
        if text.ends_with('/') {
            return Err(IssuerError::TrailingSlash);
        }
        if url.path() != "/" {
            return Err(IssuerError::Path);
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The `iss` value.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL of `path` (which begins with a slash) under the issuer.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Scheme, host and port, as browsers put them into `Origin`.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The host, without a port.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port, that of the scheme where none is written.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// Whether browsers talk to it over TLS, so that cookies are Secure and HSTS makes sense.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_https_or_loopback_without_extras_is_an_issuer() {
        assert!(Issuer::parse("https://id.example").is_ok());
        assert!(Issuer::parse("http://localhost:8080").is_ok());
        for (text, error) in [
            ("id.example", IssuerError::NotAbsolute),
            ("http://id.example", IssuerError::PlainHttp),
            ("https://id.example?x", IssuerError::Extra),
            ("https://id.example#x", IssuerError::Extra),
            ("https://u@id.example", IssuerError::Extra),
            ("https://id.example/", IssuerError::TrailingSlash),
        ] {
            assert_eq!(Issuer::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn urls_are_below_the_issuer() {
        let issuer = Issuer::parse("https://id.example:8443").unwrap();
        assert_eq!(
            issuer.url("/oauth2/token"),
            "https://id.example:8443/oauth2/token"
        );
        assert_eq!(issuer.origin(), "https://id.example:8443");
        assert_eq!(
            Issuer::parse("https://id.example/tenant"),
            Err(IssuerError::Path)
        );
    }
}
