//! `[telemetry]`: where spans are sent.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::reader::Reader;

/// A collector, and what it gets.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// Where spans are posted.
    pub endpoint: Url,
    /// Headers of every post, in order; values may be credentials.
    pub headers: Vec<(String, SecretString)>,
    /// The share of requests that are traced, from 0 to 1.
    pub sample_ratio: f64,
    /// Whose decision counts.
    pub sampling: Sampling,
    /// `service.name`
    pub service_name: String,
}

/// Who decides which requests are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Chance, whatever the caller says: a stranger's flag costs nothing.
    Ratio,
    /// The caller, where it names a trace; else chance.
    Parent,
}

/// `Some(None)` where nothing is traced, `None` if the reader noted a problem.
#[allow(
    clippy::option_option,
    reason = "the reader's `None` is a noted problem"
)]
pub(super) fn read(r: &mut Reader) -> Option<Option<TelemetryConfig>> {
    let endpoint = r.optional("telemetry.otlp_endpoint", endpoint);
    let headers = r.optional_secret("telemetry.otlp_headers");
    let sample_ratio = r.with("telemetry.sample_ratio", ratio);
    let sampling = r.with("telemetry.sampling", |text| match text {
        "ratio" => Ok(Sampling::Ratio),
        "parent" => Ok(Sampling::Parent),
        _ => Err("choose ratio or parent".to_owned()),
    });
    let service_name = r.text("telemetry.service_name");
    let headers = match headers.as_ref().map(headers_of) {
        None => Vec::new(),
        Some(Some(headers)) => headers,
        Some(None) => {
            return r.problem(
                "telemetry.otlp_headers",
                "cannot be read",
                "write name=value, several separated by commas",
            );
        }
    };
    let has_credentials = |url: &Url| !url.username().is_empty() || url.password().is_some();
    if endpoint.iter().flatten().any(has_credentials) {
        // Not as a parser's error, which would repeat it.
        return r.problem(
            "telemetry.otlp_endpoint",
            "holds credentials",
            "write them into telemetry.otlp_headers",
        );
    }
    let (endpoint, sample_ratio, sampling) = (endpoint?, sample_ratio?, sampling?);
    let service_name = service_name?;
    Some(endpoint.map(|endpoint| TelemetryConfig {
        endpoint,
        headers,
        sample_ratio,
        sampling,
        service_name,
    }))
}

/// As the OTLP exporter specification has it: a base gets the path of traces.
fn endpoint(text: &str) -> Result<Url, String> {
    let advice = || "write a URL such as http://collector:4318".to_owned();
    let mut url: Url = text.parse().map_err(|_| advice())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(advice());
    }
    if url.path() == "/" {
        url.set_path("/v1/traces");
    }
    Ok(url)
}

fn ratio(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| "write a number from \"0\" to \"1\"".to_owned())
}

fn headers_of(secret: &SecretString) -> Option<Vec<(String, SecretString)>> {
    let pairs = secret.expose_secret().split(',').map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        http::HeaderName::try_from(name).ok()?;
        http::HeaderValue::try_from(value).ok()?;
        Some((name.to_owned(), SecretString::from(value)))
    });
    pairs.collect()
}
