//! Redirection URIs: registered once, compared byte by byte.
//!
//! RFC 6749 §3.1.2 (absolute, no fragment), RFC 9700 §4.1.3 (exact string comparison), RFC 8252
//! §7.1 and §7.3 (private-use schemes; any port on a loopback IP literal).

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// A URI that was checked at registration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(String);

/// Why a URI cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Longer than 2 KiB.
    #[error("a redirect URI is at most 2048 bytes long")]
    TooLong,
    /// Not an absolute URI.
    #[error("a redirect URI is an absolute URI of printable ASCII characters")]
    NotAbsolute,
    /// Carries a fragment (RFC 6749 §3.1.2).
    #[error("a redirect URI has no fragment")]
    Fragment,
    /// Carries a user or password.
    #[error("a redirect URI has no user information")]
    UserInfo,
    /// Plain http to a host other than loopback.
    #[error("a redirect URI uses https, except on a loopback address")]
    PlainHttp,
    /// A scheme that scripts or reads files, or a private-use scheme without a dot (RFC 8252 §7.1).
    #[error("a redirect URI uses https or a private scheme in reverse domain notation")]
    Scheme,
    /// A wildcard, which would not match anything but itself.
    #[error("a redirect URI has no wildcard in its host or path")]
    Wildcard,
}

const MAX_BYTES: usize = 2048;

impl RedirectUri {
    /// Checks `text` as a redirection URI to register.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        if text.len() > MAX_BYTES {
            return Err(RedirectUriError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains('\\') {
            return Err(RedirectUriError::NotAbsolute);
        }
        if text.contains('#') {
            return Err(RedirectUriError::Fragment);
        }
        let url = Url::parse(text).map_err(|_| RedirectUriError::NotAbsolute)?;
        check_scheme(text, &url)?;
        if !url.username().is_empty() || url.password().is_some() || has_userinfo(text) {
            return Err(RedirectUriError::UserInfo);
        }
        if text
            .split('?')
            .next()
            .is_some_and(|path| path.contains('*'))
        {
            return Err(RedirectUriError::Wildcard);
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether a request's `redirect_uri` is this one: the same bytes, or for a loopback IP literal
    /// the same bytes except the port (RFC 8252 §7.3).
    pub fn matches(&self, requested: &str) -> bool {
        if self.0 == requested {
            return true;
        }
        match (split_loopback(&self.0), split_loopback(requested)) {
            (Some(registered), Some(requested)) => registered == requested,
            _ => false,
        }
    }

    /// The URI as it was registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_scheme(text: &str, url: &Url) -> Result<(), RedirectUriError> {
    match url.scheme() {
        "https" if text.starts_with("https://") && url.has_host() => Ok(()),
        "http" if text.starts_with("http://") && is_loopback(url) => Ok(()),
        "http" => Err(RedirectUriError::PlainHttp),
        scheme if scheme.contains('.') && text.starts_with(scheme) => Ok(()),
        _ => Err(RedirectUriError::Scheme),
    }
}

/// `url` drops an empty user, so look at the text too.
fn has_userinfo(text: &str) -> bool {
    text.split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?']).next())
        .is_some_and(|authority| authority.contains('@'))
}

/// Whether the host is `localhost` or a loopback IP literal.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Splits `http://127.0.0.1:port/path` into what stands before and after the port. `None` unless
/// the host is one of the two loopback literals that RFC 8252 names and the port is decimal.
fn split_loopback(uri: &str) -> Option<(&'static str, &str)> {
    ["http://127.0.0.1", "http://[::1]"]
        .into_iter()
        .find_map(|origin| {
            let rest = uri.strip_prefix(origin)?;
            let Some(after_colon) = rest.strip_prefix(':') else {
                return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((origin, rest));
            };
            let end = after_colon
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(after_colon.len());
            let (port, path) = after_colon.split_at(end);
            let port_is_valid = port.parse::<u16>().is_ok_and(|p| p > 0);
            (port_is_valid && (path.is_empty() || path.starts_with(['/', '?'])))
                .then_some((origin, path))
        })
}

impl TryFrom<String> for RedirectUri {
    type Error = RedirectUriError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.0
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dangerous_and_sloppy_uris_are_refused_at_registration() {
        use RedirectUriError as E;
        for (uri, error) in [
            ("javascript:alert(1)", E::Scheme),
            ("data:text/html,x", E::Scheme),
            ("file:///etc/passwd", E::Scheme),
            ("myapp:/cb", E::Scheme),
            ("http://rp.example/cb", E::PlainHttp),
            ("http://localhost.evil.test/cb", E::PlainHttp),
            ("https://rp.example/cb#f", E::Fragment),
            ("https://user@rp.example/cb", E::UserInfo),
            ("https://@rp.example/cb", E::UserInfo),
            ("/cb", E::NotAbsolute),
            ("https://rp.example/c b", E::NotAbsolute),
            ("https://rp.example\\@evil.test/", E::NotAbsolute),
            ("https://*.rp.example/cb", E::Wildcard),
        ] {
            assert_eq!(RedirectUri::parse(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn ordinary_uris_are_accepted() {
        for uri in [
            "https://rp.example/cb?x=1",
            "http://localhost:5173/callback",
            "http://127.0.0.1/cb",
            "http://[::1]:7/cb",
            "com.example.app:/oauth",
        ] {
            assert!(RedirectUri::parse(uri).is_ok(), "{uri}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_literal_may_differ() {
        let uri = RedirectUri::parse("http://127.0.0.1:8000/cb?a=b").unwrap();
        assert!(uri.matches("http://127.0.0.1:51234/cb?a=b"));
        assert!(uri.matches("http://127.0.0.1/cb?a=b"));
        for other in [
            "http://127.0.0.1:51234/cb",
            "http://127.0.0.1:51234/cb?a=b&c=d",
            "http://127.0.0.1:0/cb?a=b",
            "http://127.0.0.1:99999/cb?a=b",
            "http://127.0.0.1:1@evil.test/cb?a=b",
            "http://127.0.0.1.evil.test/cb?a=b",
            "http://[::1]:8000/cb?a=b",
            "http://localhost:8000/cb?a=b",
            "https://127.0.0.1:8000/cb?a=b",
        ] {
            assert!(!uri.matches(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_the_same_bytes_matches_a_web_uri(other in "\\PC{0,60}") {
            let uri = RedirectUri::parse("https://rp.example/cb").unwrap();
            prop_assert_eq!(uri.matches(&other), other == uri.as_str());
        }
    }
}
