//! Compression of what is public and the same for everybody. Nothing else: the length of a compressed
//! answer tells about a secret in it next to what the request made it say. It stands around documents
//! and static files only, so that no token request passes through it.

use axum::Router;
use http::{HeaderMap, header};
use tower_http::compression::CompressionLayer;

/// Compresses the public answers of these routes.
pub fn compressed<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let is_public =
        |_: http::StatusCode, _: http::Version, headers: &HeaderMap, _: &http::Extensions| {
            headers
                .get(header::CACHE_CONTROL)
                .is_some_and(|value| value.as_bytes().starts_with(b"public"))
        };
    router.layer(CompressionLayer::new().compress_when(is_public))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use axum::{body::Body, http::Request, response::Response, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    async fn answer(path: &str) -> Response {
        let text = || async { "k".repeat(2000) };
        let public = || async {
            (
                [(header::CACHE_CONTROL, "public, max-age=300")],
                "k".repeat(2000),
            )
        };
        let router = Router::new()
            .route("/public", get(public))
            .route("/private", get(text));
        let request = Request::get(path).header("accept-encoding", "gzip");
        let request = request.body(Body::empty()).unwrap();
        compressed(router).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn only_public_answers_are_compressed() {
        let public = answer("/public").await;
        assert_eq!(public.headers()["content-encoding"], "gzip");
        let private = answer("/private").await;
        assert!(!private.headers().contains_key("content-encoding"));
    }
}
