//! HTML answers: one way to send a page, with every header that a page must carry.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::domain::client::Client;
use crate::web::csp::PagePolicy;
use crate::web::pages::{ErrorCause, ErrorPage, Page};

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

/// Sends a page: never stored, never framed, no referrer for other sites, under the policy that it declares.
pub fn html<P: Page>(status: StatusCode, page: &P) -> Response {
    match page.render() {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status;
            put_headers(response.headers_mut(), &page.policy());
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// Sends the error page of a cause with the status that belongs to it.
///
/// `trace_id` is the identifier under which the operator finds the details in the log.
pub fn error(cause: ErrorCause, trace_id: &str) -> Response {
    error_of(cause, trace_id, None)
}

/// The same for a request of this application, which the page then points back to.
pub fn error_of(cause: ErrorCause, trace_id: &str, client: Option<&Client>) -> Response {
    let page = ErrorPage::new(cause, trace_id);
    let page = match client {
        Some(client) => page.back_to(client),
        None => page,
    };
    html(cause.status(), &page)
}

fn put_headers(headers: &mut HeaderMap, policy: &PagePolicy) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static(policy.referrer_policy()),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if !policy.is_framed() {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    headers.insert(
        CROSS_ORIGIN_OPENER_POLICY,
        HeaderValue::from_static(policy.opener_policy()),
    );
    // The policy is ASCII by construction; if it ever were not, the strictest one stands in.
    let policy = HeaderValue::try_from(policy.to_string())
        .unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c165_a_page_is_neither_stored_nor_a_referrer() {
        let response = error(ErrorCause::NotFound, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(
            headers[header::CONTENT_SECURITY_POLICY],
            PagePolicy::bare().to_string()
        );
    }

    #[test]
    fn c140_a_page_cannot_be_framed() {
        let response = error(ErrorCause::NotFound, "");
        assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "DENY");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.contains("frame-ancestors 'none'"));
    }
}
