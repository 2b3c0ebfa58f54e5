//! The provider under test, and what a relying party and its user's browser do with it.

pub(crate) mod browser;
pub(crate) mod key;
pub(crate) mod listener;
pub(crate) mod page;
pub(crate) mod provider;
pub(crate) mod request;
pub(crate) mod rp;
pub(crate) mod token;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;

/// A client that trusts nobody but the owner of this certificate, and follows no redirect.
pub(crate) fn http(certificate: &[u8]) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_built_in_root_certs(false)
        .add_root_certificate(reqwest::Certificate::from_pem(certificate).unwrap())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// An answer that is not for the browser.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON that it says it is.
    pub(crate) fn json(&self) -> Value {
        let kind = self.header("content-type");
        assert_eq!(kind.split(';').next(), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// The JSON of a success.
    pub(crate) fn success(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// An error as RFC 6749 §5.2 writes it, with one of these codes.
    pub(crate) fn assert_error(&self, status: u16, codes: &[&str]) {
        let error = self.json();
        let code = error["error"].as_str().unwrap();
        assert!(self.status == status && codes.contains(&code), "{self:?}");
        assert_description(error["error_description"].as_str());
    }
}

/// RFC 6749 §5.2: `%x20-21 / %x23-5B / %x5D-7E`.
pub(crate) fn assert_description(text: Option<&str>) {
    let is_good = |b: u8| (0x20..=0x7e).contains(&b) && b != b'"' && b != b'\\';
    assert!(text.unwrap_or_default().bytes().all(is_good), "{text:?}");
}

/// Text of this length that nobody guesses.
pub(crate) fn random(length: usize) -> String {
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).unwrap();
    let mut text = URL_SAFE_NO_PAD.encode(bytes);
    text.truncate(length);
    text
}

/// Seconds since 1970.
#[allow(clippy::disallowed_methods)] // The provider's clock is another process.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
