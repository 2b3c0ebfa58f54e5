//! Requests that a provider must refuse, and request objects (OIDC Core §6).

use serde_json::{Map, Value, json};

use crate::support::{
    browser::{Browser, Landing},
    listener::Listener,
    now, random,
    request::{Flow, Request},
    rp::Rp,
};

pub(crate) async fn oidcc_response_type_missing(flow: Flow) {
    let rp = Rp::register(flow).await;
    let request = rp.request().without("response_type");
    match Browser::new(rp.op).visit(&rp.url(&request)).await {
        Landing::Page(page) => page.assert_error(),
        // Without a response type the answer goes where that of a code would.
        landing => {
            let flow = Flow {
                response_type: "code",
                ..flow
            };
            let response = flow.response(landing, &rp.redirect_uri);
            let allowed = ["invalid_request", "unsupported_response_type"];
            response.assert_error(&allowed, &request, rp.op.issuer());
        }
    }
    rp.unregister().await;
}

pub(crate) async fn oidcc_ensure_registered_redirect_uri(flow: Flow) {
    let rp = Rp::register(flow).await;
    let elsewhere = format!("{}/{}", rp.redirect_uri, random(10));
    assert_goes_nowhere(&rp, &rp.request().with("redirect_uri", &elsewhere)).await;
    rp.unregister().await;
}

/// An error page: who sent the browser may be anybody (RFC 6749 §4.1.2.1).
pub(crate) async fn assert_goes_nowhere(rp: &Rp, request: &Request) {
    let landing = Browser::new(rp.op).visit(&rp.url(request)).await;
    landing.page().assert_error();
}

/// The claims of a request object that says the same as the request.
fn claims(rp: &Rp, request: &Request) -> Value {
    let mut claims = Map::new();
    for (name, value) in request.fields() {
        claims.insert(name.clone(), json!(value));
    }
    claims.insert("iss".to_owned(), json!(rp.id()));
    claims.insert("aud".to_owned(), json!(rp.op.issuer()));
    claims.insert("iat".to_owned(), json!(now()));
    claims.into()
}

/// A request object without a signature.
fn unsigned(claims: &Value) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string());
    format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// What must stand beside a request object (OIDC Core §6.1).
fn outer(request: &Request) -> Request {
    let inner = ["nonce", "state", "response_mode"];
    inner.into_iter().fold(request.clone(), Request::without)
}

/// The suite skips modules with unsigned objects where `none` is not offered: they are refused then.
async fn assert_refuses_unsigned(flow: Flow, is_by_reference: bool) {
    let listener = Listener::start().await;
    let url = listener.url("/request.jwt");
    let rp = Rp::register_as(flow, json!({ "request_uris": [url] })).await;
    let offered = &rp.op.metadata["request_object_signing_alg_values_supported"];
    assert!(!offered.as_array().unwrap().contains(&json!("none")));
    let request = rp.request();
    let object = unsigned(&claims(&rp, &request));
    let sent = if is_by_reference {
        listener.serves("/request.jwt", "application/oauth-authz-req+jwt", object);
        request.clone().with("request_uri", &url)
    } else {
        request.clone().with("request", &object)
    };
    match Browser::new(rp.op).visit(&rp.url(&sent)).await {
        Landing::Page(page) => page.assert_error(),
        landing => {
            let response = flow.response(landing, &rp.redirect_uri);
            let allowed = [
                "invalid_request_object",
                "invalid_request_uri",
                "request_not_supported",
                "request_uri_not_supported",
            ];
            response.assert_error(&allowed, &request, rp.op.issuer());
        }
    }
    rp.unregister().await;
}

pub(crate) async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    flow: Flow,
) {
    assert_refuses_unsigned(flow, false).await;
}

pub(crate) async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(
    flow: Flow,
) {
    assert_refuses_unsigned(flow, true).await;
}

pub(crate) async fn oidcc_request_uri_unsigned(flow: Flow) {
    assert_refuses_unsigned(flow, true).await;
}

/// The redirection URI in the object counts, and a wrong one beside it gets nothing. The suite's module
/// sends no signature; ours is signed, so that it is read.
pub(crate) async fn oidcc_ensure_request_object_with_redirect_uri(flow: Flow) {
    let rp = Rp::register(flow).await;
    let request = rp.request();
    let object = rp.key.sign(&claims(&rp, &request));
    let wrong = format!("{}/{}", rp.redirect_uri, random(10));
    let sent = outer(&request)
        .with("redirect_uri", &wrong)
        .with("request", &object);
    match Browser::new(rp.op).visit(&rp.url(&sent)).await {
        Landing::Page(page) => page.assert_error(),
        landing => {
            let response = flow.response(landing, &rp.redirect_uri);
            rp.complete(request, response).await;
        }
    }
    rp.unregister().await;
}

pub(crate) async fn oidcc_request_uri_signed_rs256(flow: Flow) {
    let listener = Listener::start().await;
    let url = listener.url("/request.jwt");
    let asked = json!({ "request_uris": [url], "request_object_signing_alg": "RS256" });
    let rp = Rp::register_as(flow, asked).await;
    let request = rp.request();
    let object = rp.key.sign(&claims(&rp, &request));
    listener.serves("/request.jwt", "application/oauth-authz-req+jwt", object);
    let sent = outer(&request).with("request_uri", &url);
    let response = rp.authorize(&mut Browser::new(rp.op), &sent).await;
    rp.complete(request, response).await;
    rp.unregister().await;
}
