//! Addresses that a page may contain. Each type is proof of a safe scheme; there is no other way to print one.

use std::fmt;

use url::Url;

/// An https address from a client's metadata: logo, policy, terms, home page, front-channel logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpsUrl<'a>(&'a str);

impl<'a> HttpsUrl<'a> {
    /// Nothing unless the text is an absolute https address without credentials.
    pub fn parse(text: &'a str) -> Option<Self> {
        let url = strict(text)?;
        (url.scheme() == "https" && url.username().is_empty() && url.password().is_none())
            .then_some(Self(text))
    }

    pub(super) fn url(self) -> Option<Url> {
        Url::parse(self.0).ok()
    }
}

/// The target of a `form_post` response (OAuth 2.0 Form Post Response Mode): the client's redirect URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormAction<'a> {
    text: &'a str,
    url: Url,
}

impl<'a> FormAction<'a> {
    /// Nothing unless the redirect URI can receive a POST, that is http or https.
    pub fn parse(redirect_uri: &'a str) -> Option<Self> {
        let url = strict(redirect_uri)?;
        matches!(url.scheme(), "https" | "http").then_some(Self {
            text: redirect_uri,
            url,
        })
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

/// Where a browser goes after logout: http, https or a private-use scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnUrl<'a>(&'a str);

impl<'a> ReturnUrl<'a> {
    /// Nothing for schemes that browsers execute. Private-use schemes carry a dot (RFC 8252 section 7.1).
    pub fn parse(text: &'a str) -> Option<Self> {
        let url = strict(text)?;
        (matches!(url.scheme(), "https" | "http") || url.scheme().contains('.'))
            .then_some(Self(text))
    }

    /// Whether a browser opens it itself.
    pub(super) fn is_web(self) -> bool {
        matches!(self.0.split_once(':'), Some(("https" | "http", _)))
    }
}

/// Parses without the URL parser's leniency: it would drop controls and spaces that a browser may treat otherwise.
fn strict(text: &str) -> Option<Url> {
    let clean = !text
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '\\');
    clean.then(|| Url::parse(text).ok()).flatten()
}

impl fmt::Display for HttpsUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for FormAction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Display for ReturnUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 8] = [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "//rp.example/x",
        "",
    ];

    #[test]
    fn c154_only_https_addresses_are_shown() {
        for text in HOSTILE {
            assert_eq!(HttpsUrl::parse(text), None, "{text}");
        }
        assert_eq!(HttpsUrl::parse("http://rp.example/logo.png"), None);
        assert_eq!(HttpsUrl::parse("https://bank.example@rp.example/"), None);
        assert!(HttpsUrl::parse("https://rp.example/logo.png").is_some());
    }

    #[test]
    fn c012_a_form_posts_to_http_schemes_only() {
        for text in HOSTILE.into_iter().chain(["com.example.app:/cb"]) {
            assert_eq!(FormAction::parse(text), None, "{text}");
        }
        assert!(FormAction::parse("http://127.0.0.1:8000/cb").is_some());
    }

    #[test]
    fn a_return_address_is_never_executable() {
        for text in HOSTILE {
            assert_eq!(ReturnUrl::parse(text), None, "{text}");
        }
        assert!(ReturnUrl::parse("com.example.app:/signed-out").is_some());
    }
}
