//! OIDC Core §5.3 — the userinfo endpoint.

use serde_json::{Map, Value};

use crate::{
    application::{Failure, Ports, access},
    domain::role::Authority,
    protocol::{
        error::{ErrorCode, OAuthError},
        userinfo,
    },
};

/// The claims that an access token may read about its user.
pub async fn userinfo(ports: &Ports, token: &str) -> Result<Map<String, Value>, Failure> {
    let invalid = || {
        OAuthError::new(
            ErrorCode::InvalidToken,
            "the access token is invalid, expired or revoked",
        )
    };
    let live = access::live(ports, token).await?.ok_or_else(invalid)?;
    let is_for_us = live.claims.aud.contains(ports.settings.issuer.as_str());
    if !live.claims.scope.contains("openid") {
        return Err(OAuthError::new(
            ErrorCode::InsufficientScope,
            "the access token lacks the scope openid",
        )
        .into());
    }
    let user = live.user.filter(|_| is_for_us).ok_or_else(invalid)?;
    let scope = &live.claims.scope;
    let needs_authority = ["roles", "groups", "permissions"]
        .into_iter()
        .any(|value| scope.contains(value));
    let authority = if needs_authority {
        ports.store.reader().authority(&user.id).await?
    } else {
        Authority::default()
    };
    Ok(userinfo::claims(&user, &authority, scope))
}
