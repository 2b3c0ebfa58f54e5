//! Which claims are told, where, and of which form (OIDC Core §5).

use serde_json::{Value, json};

use crate::support::{request::Flow, rp::Rp};

const PROFILE: &[&str] = &[
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];
const EMAIL: &[&str] = &["email", "email_verified"];
const ADDRESS: &[&str] = &["address"];
const PHONE: &[&str] = &["phone_number", "phone_number_verified"];

pub(crate) async fn oidcc_scope_profile(flow: Flow) {
    scope(flow, "openid profile", &[PROFILE]).await;
}

pub(crate) async fn oidcc_scope_email(flow: Flow) {
    scope(flow, "openid email", &[EMAIL]).await;
}

pub(crate) async fn oidcc_scope_address(flow: Flow) {
    scope(flow, "openid address", &[ADDRESS]).await;
}

pub(crate) async fn oidcc_scope_phone(flow: Flow) {
    scope(flow, "openid phone", &[PHONE]).await;
}

pub(crate) async fn oidcc_scope_all(flow: Flow) {
    let all = [PROFILE, EMAIL, ADDRESS, PHONE];
    scope(flow, "openid profile email address phone", &all).await;
}

/// Claims of these scopes, and no other, are where the response type has them (OIDC Core §5.4).
async fn scope(flow: Flow, scope: &str, expected: &[&[&str]]) {
    let rp = Rp::register(flow).await;
    let login = rp.log_in(rp.request().with("scope", scope)).await;
    let told = if flow.is_id_token_only() {
        login.id_token.claims.clone()
    } else {
        rp.userinfo(&login).await
    };
    for group in [PROFILE, EMAIL, ADDRESS, PHONE] {
        for name in group {
            assert_eq!(
                !told[name].is_null(),
                expected.contains(&group),
                "{name}: {told}"
            );
        }
    }
    assert_forms(&told);
    rp.unregister().await;
}

/// What OIDC Core §5.1 says about the forms of values.
fn assert_forms(claims: &Value) {
    for (name, value) in claims.as_object().unwrap() {
        let is_right = match name.as_str() {
            "updated_at" | "exp" | "iat" | "auth_time" => value.is_u64(),
            "email_verified" | "phone_number_verified" => value.is_boolean(),
            "address" => value.as_object().is_some_and(|parts| {
                let is_text = |part: &Value| part.as_str().is_some_and(|text| !text.is_empty());
                !parts.is_empty() && parts.values().all(is_text)
            }),
            "aud" | "amr" => !value.is_null(),
            _ => value.as_str().is_some_and(|text| !text.is_empty()),
        };
        assert!(is_right, "{name}: {value}");
    }
    if let Some(birthdate) = claims["birthdate"].as_str() {
        let digits = birthdate.replace('-', "");
        assert!(
            digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()),
            "{birthdate}"
        );
    }
}

/// The order of scopes and of parameters means nothing (RFC 6749 §3.3).
pub(crate) async fn oidcc_alternate_happy_flow(flow: Flow) {
    let rp = Rp::register(flow).await;
    let request = rp.request().with("scope", "email openid").reversed();
    let login = rp.log_in(request).await;
    let told = if flow.is_id_token_only() {
        login.id_token.claims.clone()
    } else {
        rp.userinfo(&login).await
    };
    assert!(told["email"].is_string() && told["email_verified"].is_boolean());
    rp.unregister().await;
}

/// OIDC Core §5.5 — a single claim, without the scope that it belongs to.
pub(crate) async fn oidcc_claims_essential(flow: Flow) {
    let rp = Rp::register(flow).await;
    let place = if flow.is_id_token_only() {
        "id_token"
    } else {
        "userinfo"
    };
    let asked = json!({ place: { "name": { "essential": true } } });
    let login = rp
        .log_in(rp.request().with("claims", &asked.to_string()))
        .await;
    let in_id_token = login.id_token.claims["name"].is_string();
    assert_eq!(in_id_token, flow.is_id_token_only());
    if !flow.is_id_token_only() {
        let userinfo = rp.userinfo(&login).await;
        assert!(userinfo["name"].is_string());
        assert!(userinfo["given_name"].is_null(), "only what was asked for");
    }
    rp.unregister().await;
}

pub(crate) async fn oidcc_ensure_request_with_acr_values_succeeds(flow: Flow) {
    let rp = Rp::register(flow).await;
    let offered = rp.op.metadata["acr_values_supported"].as_array().unwrap();
    let offered: Vec<&str> = offered
        .iter()
        .map(|value| value.as_str().unwrap())
        .collect();
    let request = rp.request().with("acr_values", &offered.join(" "));
    let login = rp.log_in(request).await;
    assert!(offered.contains(&login.id_token.text("acr")));
    rp.unregister().await;
}
