//! Pictures of applications, from this server: a page of ours loads nothing from anybody else.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};

use super::ClientView;
use crate::{
    application::client_logos::logo_of,
    domain::{brand::Logo, client::Client, id::ClientId},
    web::{Web, context},
};

/// Where they are; `client_id` says whose.
pub const LOGO: &str = "/client-logo";

/// How long browsers keep one.
const MAX_AGE: HeaderValue = HeaderValue::from_static("private, max-age=3600");
/// And what stands for one that may come yet.
const MAX_AGE_OF_MONOGRAM: HeaderValue = HeaderValue::from_static("private, max-age=60");
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

/// GET: the picture, or the first letter of the name if it cannot be had; 404 where none is registered.
pub async fn get(State(web): State<Arc<Web>>, parts: Parts) -> Response {
    let client = async {
        let query = context::query(&parts.uri);
        let id = ClientId::new(query.get("client_id")?);
        let (_, sight) = web.ports.directory.look(&[]).await.ok()?;
        sight.client(&id).await.ok().flatten()
    };
    let is_shown = |client: &Arc<Client>| client.is_active() && client.links.logo.is_some();
    if let Some(client) = client.await.filter(is_shown) {
        return match logo_of(&web.ports, &client).await {
            Some(logo) => picture(&logo, MAX_AGE),
            None => picture(&monogram(&client), MAX_AGE_OF_MONOGRAM),
        };
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// As pages show applications without a picture. The letter needs no escape: it is one.
fn monogram(client: &Client) -> Logo {
    let letter = ClientView::new(&client.name, "").initial();
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 48 48\"><rect width=\"48\" height=\"48\" \
         fill=\"#d9e6e2\"/><text x=\"24\" y=\"32\" font-family=\"sans-serif\" font-size=\"22\" font-weight=\"700\" \
         text-anchor=\"middle\" fill=\"#14584c\">{letter}</text></svg>"
    );
    Logo {
        bytes: svg.into_bytes(),
        media_type: "image/svg+xml",
    }
}

fn picture(logo: &Logo, max_age: HeaderValue) -> Response {
    let mut response = Response::new(Body::from(logo.bytes.clone()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(logo.media_type),
    );
    headers.insert(header::CACHE_CONTROL, max_age);
    headers.insert(header::CONTENT_SECURITY_POLICY, INERT);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
