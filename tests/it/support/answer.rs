//! Requests to a router, and answers that were read to their end.

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::fixtures::{CALLBACK, ISSUER};

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The same without the nonce of its script, which is another one each time.
    pub(crate) fn without_nonce(mut self) -> Self {
        let policy = self.header("content-security-policy").to_owned();
        if let Some((before, rest)) = policy.split_once("'nonce-") {
            let (nonce, after) = rest.split_once('\'').unwrap();
            self.body = self.body.replace(nonce, "");
            let policy = format!("{before}{after}").parse().unwrap();
            self.headers.insert("content-security-policy", policy);
        }
        self
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A header as text; empty if absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// `Location` of a 303.
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location")
    }

    /// A parameter of the `Location`'s query or fragment.
    pub(crate) fn location_param(&self, name: &str) -> Option<String> {
        param(self.location(), name)
    }

    /// Asserts an OAuth error in JSON that nobody stores.
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.json()["error"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
    }

    /// Asserts an error that went to the client by redirect, with `state` and `iss`.
    pub(crate) fn assert_redirected_error(&self, code: &str) {
        assert!(self.location().starts_with(CALLBACK), "{}", self.location());
        assert_eq!(
            self.location_param("error").as_deref(),
            Some(code),
            "{}",
            self.location()
        );
        assert_eq!(self.location_param("iss").as_deref(), Some(ISSUER));
    }

    /// Asserts an error page: HTML, no redirect.
    pub(crate) fn assert_page(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert!(self.header("content-type").starts_with("text/html"));
        assert_eq!(self.header("location"), "");
        assert!(self.body.contains("id=\"error\""), "{}", self.body);
    }
}

/// A parameter of a URL's query or fragment.
pub(crate) fn param(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    let fragment = url.fragment().unwrap_or_default().as_bytes();
    let mut pairs = url
        .query_pairs()
        .chain(url::form_urlencoded::parse(fragment));
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Sends one request to a router.
pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(crate) fn form(uri: &str, _: &[(&str, &str)]) -> axum::http::request::Builder {
    Request::post(uri).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

/// Form-encodes fields.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// HTTP Basic credentials as RFC 6749 §2.3.1 encodes them.
pub(crate) fn basic(client: &str, secret: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(client), encode(secret)))
    )
}

/// Claims of a JWT, unverified.
pub(crate) fn claims(jwt: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A request with a body and any content type.
pub(crate) fn raw(
    method: Method,
    uri: &str,
    content_type: &str,
    body: &'static [u8],
) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from(body))
        .unwrap()
}

/// A random while, so that two who begin together are apart differently each time.
pub(crate) fn random_offset() -> std::time::Duration {
    let [a, b, ..] = *uuid::Uuid::new_v4().as_bytes();
    std::time::Duration::from_micros(u64::from(u16::from_be_bytes([a, b])) % 4_000)
}
