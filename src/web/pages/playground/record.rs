//! The playground's HTTP client: openidconnect sends through it, and every exchange is kept to be shown.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, Version, header, request};
use openidconnect::{AsyncHttpClient, HttpClientError, HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;

use crate::telemetry;

/// How long an answer of our own server may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Request headers that carry meaning.
const REQUEST_HEADERS: [HeaderName; 3] =
    [header::ACCEPT, header::AUTHORIZATION, header::CONTENT_TYPE];
/// Response headers that carry meaning.
const RESPONSE_HEADERS: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::LOCATION,
    header::WWW_AUTHENTICATE,
];

/// A client that follows no redirects, as RFC 9700 §4.11 and openidconnect want it for fear of forged requests.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
}

/// One request and what came of it, ready to read.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Method, address, headers and body.
    pub(super) request: String,
    /// Status, headers and body; none where nothing came back.
    pub(super) response: Option<String>,
    /// The request as a command for a shell; none where the browser sent it.
    pub(super) curl: Option<String>,
}

/// Sends requests and remembers them.
pub(super) struct Recorder<'a> {
    http: &'a reqwest::Client,
    exchanges: Mutex<Vec<Exchange>>,
}

impl<'a> Recorder<'a> {
    /// Nothing recorded yet.
    pub(super) fn new(http: &'a reqwest::Client) -> Self {
        Self {
            http,
            exchanges: Mutex::new(Vec::new()),
        }
    }

    /// The exchanges, in order.
    pub(super) fn into_exchanges(self) -> Vec<Exchange> {
        self.exchanges
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(
        &self,
        request: HttpRequest,
    ) -> Result<HttpResponse, HttpClientError<reqwest::Error>> {
        let (mut parts, body) = request.into_parts();
        telemetry::propagate(&mut parts.headers);
        let (sent, curl) = (request_text(&parts, &body), curl(&parts, &body));
        let answer = self.http.call(HttpRequest::from_parts(parts, body)).await;
        let exchange = Exchange {
            request: sent,
            response: answer.as_ref().ok().map(response_text),
            curl: Some(curl),
        };
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
        answer
    }
}

impl<'c> AsyncHttpClient<'c> for Recorder<'_> {
    type Error = HttpClientError<reqwest::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Self::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// A GET that the browser sends: the address, with its parameters below, decoded. Its answer is the browser's.
pub(super) fn navigation(url: &Url) -> Exchange {
    let mut address = url.clone();
    address.set_query(None);
    let parameters = form_text(url.query().unwrap_or_default());
    Exchange {
        request: format!("GET {address}\n\n{parameters}"),
        response: None,
        curl: None,
    }
}

fn request_text(parts: &request::Parts, body: &[u8]) -> String {
    let line = format!("{} {}", parts.method, parts.uri);
    message(&line, &selected(&parts.headers, &REQUEST_HEADERS), body)
}

/// Ready to paste into a shell, with everything quoted.
fn curl(parts: &request::Parts, body: &[u8]) -> String {
    let mut words = vec![format!(
        "curl --include --request {} {}",
        parts.method,
        quoted(&parts.uri.to_string())
    )];
    for (name, value) in selected(&parts.headers, &REQUEST_HEADERS) {
        words.push(format!("--header {}", quoted(&format!("{name}: {value}"))));
    }
    if !body.is_empty() {
        let body = String::from_utf8_lossy(body);
        words.push(format!("--data-raw {}", quoted(&body)));
    }
    words.join(" \\\n  ")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn response_text(response: &HttpResponse) -> String {
    let line = format!("{} {}", version(response.version()), response.status());
    let headers = selected(response.headers(), &RESPONSE_HEADERS);
    message(&line, &headers, response.body())
}

fn version(version: Version) -> &'static str {
    if version == Version::HTTP_2 {
        "HTTP/2"
    } else {
        "HTTP/1.1"
    }
}

fn selected<'a>(headers: &'a HeaderMap, names: &'a [HeaderName]) -> Vec<(&'a HeaderName, &'a str)> {
    names
        .iter()
        .flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)))
        .filter_map(|(name, value)| Some((name, value.to_str().ok()?)))
        .collect()
}

fn message(line: &str, headers: &[(&HeaderName, &str)], body: &[u8]) -> String {
    let mut lines = vec![line.to_owned()];
    lines.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    let body = body_text(headers, body);
    if !body.is_empty() {
        lines.extend([String::new(), body]);
    }
    lines.join("\n")
}

/// JSON with indentation, forms with one parameter a line, anything else as it is.
fn body_text(headers: &[(&HeaderName, &str)], body: &[u8]) -> String {
    let is_form = headers.iter().any(|(name, value)| {
        **name == header::CONTENT_TYPE && value.starts_with("application/x-www-form-urlencoded")
    });
    let text = String::from_utf8_lossy(body);
    if is_form {
        return form_text(&text);
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => pretty(&value),
        Err(_) => text.into_owned(),
    }
}

/// JSON as people read it.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// One parameter a line, decoded.
fn form_text(encoded: &str) -> String {
    encoded
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            format!("{} = {}", decoded(name), decoded(value))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_form_is_shown_decoded_with_one_parameter_a_line() {
        let request = axum::http::Request::post("http://localhost/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::USER_AGENT, "not worth showing")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        assert_eq!(
            request_text(
                &parts,
                b"scope=openid+email&redirect_uri=http%3A%2F%2Fa%2Fb"
            ),
            "POST http://localhost/token\ncontent-type: application/x-www-form-urlencoded\n\n\
             scope = openid email\nredirect_uri = http://a/b"
        );
    }

    #[test]
    fn a_curl_command_is_quoted_for_a_shell() {
        let request = axum::http::Request::post("http://localhost/token?a=1&b=2")
            .header(header::AUTHORIZATION, "Basic it's")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        assert_eq!(
            curl(&parts, b"x=$(id)"),
            "curl --include --request POST 'http://localhost/token?a=1&b=2' \\\n  \
             --header 'authorization: Basic it'\\''s' \\\n  --data-raw 'x=$(id)'"
        );
    }

    #[test]
    fn json_is_shown_indented_and_other_bodies_as_they_are() {
        let response = |body: &str| HttpResponse::new(body.as_bytes().to_vec());
        assert_eq!(
            response_text(&response(r#"{"active":true}"#)),
            "HTTP/1.1 200 OK\n\n{\n  \"active\": true\n}"
        );
        assert_eq!(response_text(&response("gone")), "HTTP/1.1 200 OK\n\ngone");
    }
}
