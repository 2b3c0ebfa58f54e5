//! OIDC Core §5.3 — the userinfo endpoint.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    application::{
        Failure, Ports,
        access::{self, Presented},
        protect::{Wanted, protect},
    },
    domain::{certificate::PresentedCertificate, client_rights::Place},
    protocol::{
        error::{ErrorCode, OAuthError},
        userinfo,
    },
};

/// What the endpoint answers (§5.3.2).
pub enum Userinfo {
    /// JSON.
    Plain(Map<String, Value>),
    /// A JWT, signed or encrypted as the client registered.
    Jwt(String),
}

/// The claims that an access token may read about its user. One that is bound to a certificate needs a
/// connection with it (RFC 8705 §3).
pub async fn userinfo(
    ports: &Ports,
    token: &str,
    certificate: Option<&PresentedCertificate>,
) -> Result<Userinfo, Failure> {
    let invalid = || {
        OAuthError::new(
            ErrorCode::InvalidToken,
            "the access token is invalid, expired or revoked",
        )
    };
    let presented = Presented::read(ports, token).await;
    let (found, sight) = ports.directory.look(&presented.records()).await?;
    let content = presented.content(ports, &found)?.ok_or_else(invalid)?;
    let live = access::live(&sight, content, ports.clock.now())
        .await?
        .filter(|live| live.is_held_by(certificate))
        .ok_or_else(invalid)?;
    let is_for_us = live.claims.aud.contains(ports.settings.issuer.as_str());
    if !live.claims.scope.contains("openid") {
        return Err(OAuthError::new(
            ErrorCode::InsufficientScope,
            "the access token lacks the scope openid",
        )
        .into());
    }
    let user = live.user.filter(|_| is_for_us).ok_or_else(invalid)?;
    let (scope, rights) = (&live.claims.scope, &live.client.rights);
    let needs_authority = !rights.mappers.is_empty()
        || ["roles", "groups", "permissions"]
            .into_iter()
            .any(|value| scope.contains(value) || live.claims.userinfo_claims.contains_key(value));
    let authority = if needs_authority {
        sight.authority(&user.id).await?
    } else {
        Arc::default()
    };
    let release = rights.release(&authority, scope, &[]);
    let mut claims = userinfo::claims(&user, &release, scope);
    if !live.claims.userinfo_claims.is_empty() {
        let demands = (&live.claims.userinfo_claims, &live.client.scope);
        claims.extend(userinfo::demanded(&user, &release, demands));
    }
    claims.extend(rights.mapped(Place::Userinfo, scope, (&authority.claims, &release)));
    let Some(wanted) = Wanted::of_userinfo(&live.client) else {
        return Ok(Userinfo::Plain(claims));
    };
    claims.insert("iss".into(), ports.settings.issuer.as_str().into());
    claims.insert("aud".into(), live.client.id.as_str().into());
    let claims = serde_json::to_vec(&claims)?;
    let content = (userinfo::TYP, claims.as_slice());
    let token = protect(ports, &live.client, content, wanted).await?;
    Ok(Userinfo::Jwt(token))
}
