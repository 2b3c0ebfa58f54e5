//! Codes that come twice, and refresh tokens (RFC 6749 §4.1.2, OIDC Core §12).

use serde_json::json;

use crate::support::{
    Answer,
    request::Flow,
    rp::{Login, Rp},
};

pub(crate) async fn oidcc_codereuse(flow: Flow) {
    let rp = Rp::register(flow).await;
    let login = rp.log_in(rp.request()).await;
    again(&rp, &login).await;
    rp.unregister().await;
}

/// The suite waits, for providers that let a client try again for a moment. Ours does not: the test above
/// shows it, and so there is nothing to wait for until the tokens are dead.
pub(crate) async fn oidcc_codereuse_30seconds(flow: Flow) {
    let rp = Rp::register(flow).await;
    let login = rp.log_in(rp.request()).await;
    again(&rp, &login).await;
    let userinfo = rp.try_userinfo(&login).await;
    assert!((400..500).contains(&userinfo.status), "{userinfo:?}");
    rp.unregister().await;
}

async fn again(rp: &Rp, login: &Login) {
    let code = login.response.get("code").unwrap();
    let answer = rp.redeem(code, &login.request).await;
    answer.assert_error(400, &["invalid_grant"]);
}

pub(crate) async fn oidcc_refresh_token(flow: Flow) {
    let (rp, login) = log_in_for_long(flow).await;
    refresh_and_compare(&rp, &login).await;
    let (other, others) = log_in_for_long(flow).await;
    refresh_and_compare(&other, &others).await;
    // What another client was given is worth nothing.
    let answer = refresh(&other, &login).await;
    answer.assert_error(400, &["invalid_grant"]);
    rp.unregister().await;
    other.unregister().await;
}

/// A client with a refresh token.
async fn log_in_for_long(flow: Flow) -> (Rp, Login) {
    let mut grants = vec!["authorization_code", "refresh_token"];
    if flow.response_type != "code" {
        grants.push("implicit");
    }
    let rp = Rp::register_as(flow, json!({ "grant_types": grants })).await;
    let login = rp.log_in(long(&rp)).await;
    (rp, login)
}

/// OIDC Core §11
pub(crate) fn long(rp: &Rp) -> crate::support::request::Request {
    let request = rp.request().with("scope", "openid offline_access");
    request.with("prompt", "consent")
}

pub(crate) async fn refresh(rp: &Rp, login: &Login) -> Answer {
    let token = login.tokens["refresh_token"].as_str().unwrap();
    let is_allowed = |b: u8| (0x20..=0x7e).contains(&b);
    assert!(token.bytes().all(is_allowed));
    rp.ask_for_tokens(&[("grant_type", "refresh_token"), ("refresh_token", token)])
        .await
}

/// OIDC Core §12.2
pub(crate) async fn refresh_and_compare(rp: &Rp, login: &Login) {
    let answer = refresh(rp, login).await;
    assert!(answer.header("cache-control").contains("no-store"));
    let tokens = answer.success(200);
    let nonceless = login.request.clone().without("nonce");
    let id_token = rp.tokens(&tokens, &nonceless).await;
    for name in ["iss", "sub", "aud", "auth_time", "azp"] {
        assert_eq!(id_token.claims[name], login.id_token.claims[name], "{name}");
    }
    assert!(id_token.number("iat") >= login.id_token.number("iat"));
    assert_ne!(id_token.raw, login.id_token.raw);
    let token = tokens["access_token"].as_str().unwrap();
    assert_ne!(Some(token), login.access_token.as_deref());
    let request = rp.at_userinfo(reqwest::Method::GET).bearer_auth(token);
    let userinfo = Answer::of(request).await.success(200);
    assert_eq!(userinfo["sub"], login.id_token.claims["sub"]);
}
