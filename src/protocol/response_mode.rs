//! OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth 2.0 Form Post Response Mode,
//! RFC 9207 — how an authorization response travels. Every response carries `iss`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{authorization_response::AuthorizationResponse, error::OAuthError, issuer::Issuer};
use crate::domain::client::ResponseMode;

/// Where the response to one authorization request goes. Only binding a request to its client makes
/// one, so nothing can be sent to an address that was not registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectTarget {
    uri: String,
    mode: ResponseMode,
    state: Option<String>,
}

impl RedirectTarget {
    pub(super) fn new(uri: String, mode: ResponseMode, state: Option<String>) -> Self {
        Self { uri, mode, state }
    }

    /// The redirection URI, as the request had it.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// `state` of the request.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The response that the request asked for.
    pub fn success(&self, response: AuthorizationResponse, issuer: &Issuer) -> Delivery {
        self.deliver(response.fields(), issuer)
    }

    /// The response with an error (RFC 6749 §4.1.2.1).
    pub fn failure(&self, error: &OAuthError, issuer: &Issuer) -> Delivery {
        let fields = vec![
            ("error", error.code.as_str().to_owned()),
            ("error_description", error.description.to_owned()),
        ];
        self.deliver(fields, issuer)
    }

    fn deliver(&self, mut fields: Vec<(&'static str, String)>, issuer: &Issuer) -> Delivery {
        if let Some(state) = &self.state {
            fields.push(("state", state.clone()));
        }
        fields.push(("iss", issuer.as_str().to_owned()));
        match self.mode {
            ResponseMode::Query => {
                let separator = if self.uri.contains('?') { '&' } else { '?' };
                Delivery::Redirect(format!("{}{separator}{}", self.uri, encode(&fields)))
            }
            ResponseMode::Fragment => {
                Delivery::Redirect(format!("{}#{}", self.uri, encode(&fields)))
            }
            ResponseMode::FormPost => Delivery::FormPost {
                action: self.uri.clone(),
                fields,
            },
        }
    }
}

/// A response, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// By a 303 to this URL.
    Redirect(String),
    /// By a page that posts these fields.
    FormPost {
        /// The redirection URI.
        action: String,
        /// Names and values.
        fields: Vec<(&'static str, String)>,
    },
}

/// All but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn encode(fields: &[(&str, String)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn deliver(uri: &str, mode: ResponseMode) -> Delivery {
        let target = RedirectTarget::new(uri.into(), mode, Some("a b&c#d".into()));
        target.success(
            AuthorizationResponse {
                code: Some("xyz".into()),
                ..Default::default()
            },
            &Issuer::parse("https://id.example").unwrap(),
        )
    }

    #[test]
    fn a_registered_query_is_kept() {
        assert_eq!(
            deliver("https://rp.example/cb?x=1", ResponseMode::Query),
            Delivery::Redirect(
                "https://rp.example/cb?x=1&code=xyz&state=a%20b%26c%23d&iss=https%3A%2F%2Fid.example".into()
            )
        );
    }

    #[test]
    fn fragment_and_form_post_carry_the_same_fields() {
        assert_eq!(
            deliver("https://rp.example/cb", ResponseMode::Fragment),
            Delivery::Redirect(
                "https://rp.example/cb#code=xyz&state=a%20b%26c%23d&iss=https%3A%2F%2Fid.example"
                    .into()
            )
        );
        assert_eq!(
            deliver("https://rp.example/cb", ResponseMode::FormPost),
            Delivery::FormPost {
                action: "https://rp.example/cb".into(),
                fields: vec![
                    ("code", "xyz".into()),
                    ("state", "a b&c#d".into()),
                    ("iss", "https://id.example".into())
                ],
            }
        );
    }
}
