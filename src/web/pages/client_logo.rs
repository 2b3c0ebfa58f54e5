//! Pictures of applications, from this server: a page of ours loads nothing from anybody else.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};

use crate::{
    application::client_logos::logo_of,
    domain::{brand::Logo, client::Client, id::ClientId},
    web::{Web, context},
};

/// Where they are; `client_id` says whose.
pub const LOGO: &str = "/client-logo";

/// How long browsers keep one.
const MAX_AGE: HeaderValue = HeaderValue::from_static("private, max-age=3600");
/// A picture that is opened by itself is a document: it runs nothing here, whoever drew it.
const INERT: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
);

/// The address of a client's picture, if it registered one.
pub fn address(client: &Client) -> Option<String> {
    client.links.logo.as_ref()?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client.id.as_str())
        .finish();
    Some(format!("{LOGO}?{query}"))
}

/// GET: the picture, or 404.
pub async fn get(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let found = async {
        let query = context::query(&parts.uri);
        let id = ClientId::new(query.get("client_id")?);
        let (_, sight) = web.ports.directory.look(&[]).await.ok()?;
        let client = sight.client(&id).await.ok().flatten()?;
        if !client.is_active() {
            return None;
        }
        logo_of(&web.ports, &client).await
    };
    if let Some(logo) = found.await {
        return picture(&logo);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn picture(logo: &Logo) -> Response {
    let mut response = Response::new(Body::from(logo.bytes.clone()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(logo.media_type),
    );
    headers.insert(header::CACHE_CONTROL, MAX_AGE);
    headers.insert(header::CONTENT_SECURITY_POLICY, INERT);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
