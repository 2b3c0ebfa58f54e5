//! The plain flows, their tokens, and the userinfo endpoint.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer,
    browser::Browser,
    request::{Authentication, Flow},
    rp::Rp,
    token::{Verified, bytes},
};

pub(crate) async fn oidcc_server(flow: Flow) {
    let rp = Rp::register(flow).await;
    rp.log_in(rp.request()).await;
    rp.unregister().await;
}

pub(crate) async fn oidcc_server_client_secret_post(flow: Flow) {
    oidcc_server(flow.with(Authentication::Post)).await;
}

/// RS256 unless the client asks for another (OIDC Registration §2).
pub(crate) async fn oidcc_idtoken_signature(flow: Flow) {
    let rp = Rp::register(flow).await;
    let login = rp.log_in(rp.request()).await;
    assert_eq!(login.id_token.header["alg"], "RS256");
    rp.unregister().await;
}

pub(crate) async fn oidcc_idtoken_rs256(flow: Flow) {
    let asked = json!({ "id_token_signed_response_alg": "RS256" });
    let rp = Rp::register_as(flow, asked).await;
    assert_eq!(rp.registration["id_token_signed_response_alg"], "RS256");
    let login = rp.log_in(rp.request()).await;
    assert_eq!(login.id_token.header["alg"], "RS256");
    rp.unregister().await;
}

/// Only from the token endpoint, and only for a client that registered so (OIDC Core §2).
pub(crate) async fn oidcc_idtoken_unsigned(flow: Flow) {
    let asked = json!({ "id_token_signed_response_alg": "none" });
    let rp = Rp::register_as(flow, asked).await;
    let request = rp.request();
    let mut browser = Browser::new(rp.op);
    let response = rp.authorize(&mut browser, &request).await;
    let tokens = rp.redeem(response.get("code").unwrap(), &request).await;
    let tokens = tokens.success(200);
    let id_token = tokens["id_token"].as_str().unwrap();
    let parts: Vec<&str> = id_token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("not a compact JWS: {id_token}");
    };
    let read = |part: &str| serde_json::from_slice::<Value>(&bytes(part)).unwrap();
    assert_eq!(read(header)["alg"], "none");
    assert_eq!(signature, "");
    let claims = read(claims);
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!(rp.op.issuer()), &json!(rp.id()))
    );
    assert_eq!(claims["nonce"].as_str(), request.get("nonce"));
    rp.unregister().await;
}

pub(crate) async fn oidcc_userinfo_get(flow: Flow) {
    userinfo(flow, Method::GET, false).await;
}

pub(crate) async fn oidcc_userinfo_post_header(flow: Flow) {
    userinfo(flow, Method::POST, false).await;
}

pub(crate) async fn oidcc_userinfo_post_body(flow: Flow) {
    userinfo(flow, Method::POST, true).await;
}

async fn userinfo(flow: Flow, method: Method, in_body: bool) {
    let rp = Rp::register(flow).await;
    let login = rp.log_in(rp.request()).await;
    let token = login.access_token.as_deref().unwrap();
    let request = rp.at_userinfo(method);
    let request = if in_body {
        request.form(&[("access_token", token)])
    } else {
        request.bearer_auth(token)
    };
    let userinfo = Answer::of(request).await.success(200);
    assert_eq!(userinfo["sub"], login.id_token.claims["sub"]);
    rp.unregister().await;
}

pub(crate) async fn oidcc_userinfo_rs256(flow: Flow) {
    let asked = json!({ "userinfo_signed_response_alg": "RS256" });
    let rp = Rp::register_as(flow, asked).await;
    let request = rp.request();
    let mut browser = Browser::new(rp.op);
    let response = rp.authorize(&mut browser, &request).await;
    let login = rp.complete(request, response).await;
    let answer = rp.try_userinfo(&login).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/jwt")
    );
    let token = Verified::new(&answer.body, &rp.jwks().await);
    assert_eq!(token.header["alg"], "RS256");
    assert_eq!(token.claims["iss"], rp.op.issuer());
    assert_eq!(token.claims["aud"], rp.id());
    assert_eq!(token.claims["sub"], login.id_token.claims["sub"]);
    assert!(token.claims["nonce"].is_null());
    rp.unregister().await;
}

pub(crate) async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(flow: Flow) {
    let rp = Rp::register(flow).await;
    rp.log_in(rp.request().without("nonce")).await;
    rp.unregister().await;
}

pub(crate) async fn oidcc_ensure_request_without_nonce_fails(flow: Flow) {
    let rp = Rp::register(flow).await;
    let request = rp.request().without("nonce");
    let response = rp.authorize(&mut Browser::new(rp.op), &request).await;
    response.assert_error(&["invalid_request"], &request, rp.op.issuer());
    rp.unregister().await;
}

pub(crate) async fn oidcc_ensure_post_request_succeeds(flow: Flow) {
    let rp = Rp::register(flow).await;
    let request = rp.request();
    let mut browser = Browser::new(rp.op);
    let endpoint = rp.op.endpoint("authorization_endpoint");
    let landing = browser.post(endpoint, request.fields()).await;
    let response = flow.response(landing, &rp.redirect_uri);
    rp.complete(request, response).await;
    rp.unregister().await;
}

/// RFC 7636 §4 — and the code is worth nothing with another verifier.
pub(crate) async fn oidcc_ensure_request_with_valid_pkce_succeeds(flow: Flow) {
    let rp = Rp::register(flow).await;
    let verifier = crate::support::random(43);
    for (sent, is_right) in [
        (verifier.clone(), true),
        (crate::support::random(43), false),
    ] {
        let request = rp
            .request()
            .with("code_challenge", &challenge(&verifier))
            .with("code_challenge_method", "S256");
        let response = rp.authorize(&mut Browser::new(rp.op), &request).await;
        response.assert_success(flow, &request, rp.op.issuer());
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", response.get("code").unwrap()),
            ("redirect_uri", &rp.redirect_uri),
            ("code_verifier", &sent),
        ];
        let answer = rp.ask_for_tokens(&fields).await;
        if is_right {
            rp.tokens(&answer.success(200), &request).await;
        } else {
            answer.assert_error(400, &["invalid_grant"]);
        }
    }
    rp.unregister().await;
}

/// The whole digest of the verifier (RFC 7636 §4.2).
fn challenge(verifier: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}
