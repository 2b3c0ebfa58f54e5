//! Static files: compiled into the binary, addressed by content, cached for a year.
//!
//! A page links `/static/<name>?v=<digest>`. The digest changes with the content, so that address may be cached
//! for good; the same name without it, or with another, is served with revalidation.

use std::fmt::Write as _;
use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use sha2::{Digest, Sha256};

use super::brand;

/// The one stylesheet of every page.
pub static STYLESHEET: Asset = Asset::new(
    "countersign.css",
    "text/css; charset=utf-8",
    include_bytes!("../../static/countersign.css"),
);

/// The mark in the head of every page.
pub static LOGO: Asset = Asset::new("logo.svg", SVG, include_bytes!("../../static/logo.svg"));

/// The mark drawn for 16 pixels.
pub static FAVICON: Asset = Asset::new(
    "favicon.svg",
    SVG,
    include_bytes!("../../static/favicon.svg"),
);

/// Submits the `form_post` response without a click.
pub static FORM_POST_SCRIPT: Asset = Asset::new(
    "form_post.js",
    SCRIPT,
    include_bytes!("../../static/form_post.js"),
);

/// Answers frames of clients (OIDC Session Management section 3.3).
pub static CHECK_SESSION_SCRIPT: Asset = Asset::new(
    "check_session.js",
    SCRIPT,
    include_bytes!("../../static/check_session.js"),
);

/// Adds copy buttons to messages and tokens.
pub static COPY_SCRIPT: Asset =
    Asset::new("copy.js", SCRIPT, include_bytes!("../../static/copy.js"));

/// Adds buttons that show passwords as they are typed.
pub static PASSWORD_SCRIPT: Asset = Asset::new(
    "password.js",
    SCRIPT,
    include_bytes!("../../static/password.js"),
);

const SVG: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ALL: [&Asset; 7] = [
    &STYLESHEET,
    &LOGO,
    &FAVICON,
    &FORM_POST_SCRIPT,
    &CHECK_SESSION_SCRIPT,
    &COPY_SCRIPT,
    &PASSWORD_SCRIPT,
];

/// A year, and no revalidation: the address names the content.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A picture that is opened by itself is a document: it runs nothing here, whoever drew it.
const INERT: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
/// An address without the right digest may change its content with the next release.
const REVALIDATE: HeaderValue = HeaderValue::from_static("public, no-cache");

/// A file that is part of the binary.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    digest: OnceLock<String>,
}

impl Asset {
    pub(super) const fn new(
        name: &'static str,
        content_type: &'static str,
        bytes: &'static [u8],
    ) -> Self {
        Self {
            name,
            content_type,
            bytes,
            digest: OnceLock::new(),
        }
    }

    /// The address to link: path and digest of the content.
    pub fn url(&self) -> String {
        format!("/static/{}?v={}", self.name, self.digest())
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The content.
    pub fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// 64 bits of SHA-256 in hex: enough to tell releases apart.
    fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            Sha256::digest(self.bytes)
                .iter()
                .take(8)
                .fold(String::new(), |mut hex, byte| {
                    // Writing to a String cannot fail.
                    let _ = write!(hex, "{byte:02x}");
                    hex
                })
        })
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.digest())
    }
}

/// The route that serves every static file.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/static/{name}", get(serve))
}

async fn serve(Path(name): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let own = ALL.into_iter().find(|asset| asset.is(&name));
    let Some(asset) = own.or_else(|| brand::current().asset(&name)) else {
        return bare(StatusCode::NOT_FOUND, Body::empty());
    };
    let etag = asset.etag();
    let unchanged = knows(&headers, &etag);
    let mut response = if unchanged {
        bare(StatusCode::NOT_MODIFIED, Body::empty())
    } else {
        bare(StatusCode::OK, Body::from(asset.bytes))
    };
    let out = response.headers_mut();
    out.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(asset.content_type),
    );
    out.insert(
        header::CACHE_CONTROL,
        if names_content(&uri, asset) {
            FOREVER
        } else {
            REVALIDATE
        },
    );
    if let Ok(etag) = HeaderValue::try_from(etag) {
        out.insert(header::ETAG, etag);
    }
    response
}

fn bare(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CONTENT_SECURITY_POLICY, INERT);
    response
}

/// RFC 9110 section 13.1.2: weak comparison against each listed tag.
fn knows(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

fn names_content(uri: &Uri, asset: &Asset) -> bool {
    uri.query().and_then(|query| query.strip_prefix("v=")) == Some(asset.digest())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn fetch(target: &str, etag: Option<&str>) -> Response {
        let mut request = Request::get(target);
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        router::<()>()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn the_linked_address_is_cached_for_good() {
        for asset in ALL {
            let response = fetch(&asset.url(), None).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[header::CACHE_CONTROL], FOREVER);
            assert_eq!(response.headers()[header::CONTENT_TYPE], asset.content_type);
            assert_eq!(
                response.headers()[header::X_CONTENT_TYPE_OPTIONS],
                "nosniff"
            );
        }
    }

    #[tokio::test]
    async fn another_digest_is_served_but_revalidated() {
        for target in ["/static/logo.svg", "/static/logo.svg?v=0000000000000000"] {
            let response = fetch(target, None).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[header::CACHE_CONTROL], REVALIDATE);
        }
    }

    #[tokio::test]
    async fn a_known_etag_costs_no_body() {
        let first = fetch(&LOGO.url(), None).await;
        let etag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert_eq!(
            fetch(&LOGO.url(), Some(&etag)).await.status(),
            StatusCode::NOT_MODIFIED
        );
        let weak = format!("\"other\", W/{etag}");
        assert_eq!(
            fetch(&LOGO.url(), Some(&weak)).await.status(),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(
            fetch(&LOGO.url(), Some("\"other\"")).await.status(),
            StatusCode::OK
        );
    }

    #[tokio::test]
    async fn nothing_else_is_reachable() {
        for target in ["/static/", "/static/..%2fCargo.toml", "/static/login.html"] {
            assert_eq!(fetch(target, None).await.status(), StatusCode::NOT_FOUND);
        }
    }
}
