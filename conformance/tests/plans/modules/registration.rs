//! Clients that register themselves (OIDC Registration), and what they registered.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{
    Answer,
    browser::Browser,
    http,
    key::Key,
    listener::Listener,
    provider::Op,
    request::Flow,
    rp::{CALLBACK, Rp},
};

use super::{
    codes::{long, refresh_and_compare},
    discovery::check_keys,
    requests::assert_goes_nowhere,
};

/// A registered address with a query.
const WITH_QUERY: &str = "https://rp.example/callback?foo=bar";

/// Two addresses are registered, and none is sent.
pub(crate) async fn oidcc_ensure_redirect_uri_in_authorization_request(flow: Flow) {
    let asked = json!({ "redirect_uris": [CALLBACK, "https://rp.example/other"] });
    let rp = Rp::register_as(flow, asked).await;
    assert_goes_nowhere(&rp, &rp.request().without("redirect_uri")).await;
    rp.unregister().await;
}

pub(crate) async fn oidcc_redirect_uri_query_ok(flow: Flow) {
    let rp = Rp::register_as(flow, json!({ "redirect_uris": [WITH_QUERY] })).await;
    let login = rp.log_in(rp.request()).await;
    assert_eq!(login.request.get("redirect_uri"), Some(WITH_QUERY));
    rp.unregister().await;
}

pub(crate) async fn oidcc_redirect_uri_query_mismatch(flow: Flow) {
    let rp = Rp::register_as(flow, json!({ "redirect_uris": [WITH_QUERY] })).await;
    let other = "https://rp.example/callback?foo=baz";
    assert_goes_nowhere(&rp, &rp.request().with("redirect_uri", other)).await;
    rp.unregister().await;
}

pub(crate) async fn oidcc_redirect_uri_query_added(flow: Flow) {
    let rp = Rp::register(flow).await;
    assert_goes_nowhere(&rp, &rp.request().with("redirect_uri", WITH_QUERY)).await;
    rp.unregister().await;
}

pub(crate) async fn oidcc_redirect_uri_regfrag(flow: Flow) {
    let asked = json!({ "redirect_uris": [format!("{CALLBACK}#foobar")] });
    let answer = Rp::try_register(flow, asked).await;
    answer.assert_error(400, &["invalid_redirect_uri", "invalid_client_metadata"]);
}

/// Where consent is asked for, there is a link to what was registered.
async fn consent_links_to(flow: Flow, name: &str, url: &str) {
    let rp = Rp::register_as(flow, json!({ name: url })).await;
    assert_eq!(rp.registration[name], url);
    let mut browser = Browser::new(rp.op);
    rp.log_in_with(&mut browser, rp.request()).await;
    let page = browser.consent.take().unwrap();
    assert!(
        page.attributes("a", "href").contains(&url.to_owned()),
        "{page:?}"
    );
    rp.unregister().await;
}

pub(crate) async fn oidcc_registration_policy_uri(flow: Flow) {
    consent_links_to(flow, "policy_uri", "https://rp.example/policy").await;
}

pub(crate) async fn oidcc_registration_tos_uri(flow: Flow) {
    consent_links_to(flow, "tos_uri", "https://rp.example/terms").await;
}

/// The page shows the picture of the client, whatever address it then has.
pub(crate) async fn oidcc_registration_logo_uri(flow: Flow) {
    let listener = Listener::start().await;
    listener.serves("/logo.png", "image/png", "");
    let url = listener.url("/logo.png");
    let rp = Rp::register_as(flow, json!({ "logo_uri": url })).await;
    assert_eq!(rp.registration["logo_uri"], url);
    let mut browser = Browser::new(rp.op);
    rp.log_in_with(&mut browser, rp.request()).await;
    rp.unregister().await;
}

/// A client with its keys at an address.
async fn with_jwks_uri(flow: Flow, listener: &Listener, grants: &[&str]) -> Rp {
    let key = Key::new();
    listener.serves("/jwks.json", "application/json", key.set().to_string());
    let asked = json!({ "jwks_uri": listener.url("/jwks.json"), "grant_types": grants });
    let mut rp = Rp::register_as(flow, asked).await;
    rp.key = key;
    rp
}

fn grants(flow: Flow) -> &'static [&'static str] {
    match flow.response_type {
        "code" => &["authorization_code", "refresh_token"],
        _ => &["authorization_code", "implicit", "refresh_token"],
    }
}

pub(crate) async fn oidcc_registration_jwks_uri(flow: Flow) {
    let listener = Listener::start().await;
    let rp = with_jwks_uri(flow, &listener, grants(flow)).await;
    rp.log_in(rp.request()).await;
    rp.unregister().await;
}

/// OIDC Core §10.1.1 — a client's next key is fetched when it is met, but not without a pause.
pub(crate) async fn oidcc_refresh_token_rp_key_rotation(flow: Flow) {
    let listener = Listener::start().await;
    let mut rp = with_jwks_uri(flow, &listener, grants(flow)).await;
    let login = rp.log_in(long(&rp)).await;
    let key = Key::new();
    listener.serves("/jwks.json", "application/json", key.set().to_string());
    rp.key = key;
    tokio::time::sleep(Duration::from_secs(16)).await;
    refresh_and_compare(&rp, &login).await;
    rp.unregister().await;
}

/// The audience of an assertion may be the issuer (RFC 7523 §3).
pub(crate) async fn oidcc_ensure_client_assertion_with_iss_aud_succeeds(flow: Flow) {
    let rp = Rp::register(flow).await;
    let request = rp.request();
    let mut browser = Browser::new(rp.op);
    let response = rp.authorize(&mut browser, &request).await;
    response.assert_success(flow, &request, rp.op.issuer());
    if let Some(code) = response.get("code") {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &rp.redirect_uri),
        ];
        let answer = rp.ask_for_tokens_addressing(rp.op.issuer(), &fields).await;
        rp.tokens(&answer.success(200), &request).await;
    }
    rp.unregister().await;
}

/// OIDC Core §10.1.1 — the new key is published, and the old one still is. The provider is one of its own:
/// others hold on to the keys that they saw.
pub(crate) async fn oidcc_server_rotate_keys(_: Flow) {
    let op = Op::start("dynamic").await;
    let http = http(&op.certificate);
    let read = async || {
        Answer::of(http.get(op.endpoint("jwks_uri")))
            .await
            .success(200)
    };
    let before = read().await;
    check_keys(&before);
    op.provider.rotate_keys().await.unwrap();
    let after = read().await;
    check_keys(&after);
    let names = |jwks: &serde_json::Value| -> Vec<String> {
        let keys = jwks["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    let (before, after) = (names(&before), names(&after));
    assert!(before.iter().all(|name| after.contains(name)));
    assert_eq!(after.len(), 2 * before.len());
}

/// OIDC Core §4
pub(crate) async fn oidcc_3rd_party_init_login(flow: Flow) {
    let uri = "https://rp.example/initiate_login";
    let rp = Rp::register_as(flow, json!({ "initiate_login_uri": uri })).await;
    assert_eq!(rp.registration["initiate_login_uri"], uri);
    let read = rp.at_registration(Method::GET).await.success(200);
    assert_eq!(read["initiate_login_uri"], uri);
    rp.unregister().await;
}

pub(crate) async fn oidcc_3rd_party_init_login_nohttps(flow: Flow) {
    let asked = json!({ "initiate_login_uri": "http://rp.example/initiate_login" });
    let answer = Rp::try_register(flow, asked).await;
    answer.assert_error(400, &["invalid_client_metadata"]);
}
