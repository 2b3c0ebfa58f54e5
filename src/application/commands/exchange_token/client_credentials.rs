//! RFC 6749 §4.4 — a client acts for itself.
//!
//! Nothing is written: the token is all there is. What was issued to whom is told by the metrics; its
//! use and its end by the trail.

use super::Call;
use crate::{
    application::{
        Failure,
        issue::{Issue, prepare},
    },
    domain::{
        claim_demand::GrantedClaims, client::GrantType, grant::Grant, id::GrantId, scope::Scope,
    },
    protocol::{
        capability::Capability,
        error::{ErrorCode, OAuthError},
        resource,
        token::TokenResponse,
    },
};

/// Issues a token to the client itself.
pub(super) async fn issue_to_client(
    call: &Call<'_>,
    scope: Option<Scope>,
    resources: &[String],
) -> Result<TokenResponse, Failure> {
    let client = &*call.client;
    if client.is_public() {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "a public client cannot act for itself",
        )
        .into());
    }
    let allowed = client.scope.without("openid").without("offline_access");
    let scope = scope.unwrap_or_else(|| allowed.clone());
    if !scope.is_subset(&allowed) {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "the scope is more than the client may have",
        )
        .into());
    }
    let resources = if resources.is_empty() {
        Vec::new()
    } else {
        let granted: Vec<String> = client.resources.iter().cloned().collect();
        resource::narrowed(resources, &granted)?
    };
    let grant = Grant {
        id: GrantId::new(call.ports.identifier()),
        client: client.id.clone(),
        owner: None,
        scope,
        resources,
        claims: GrantedClaims::default(),
        granted_at: call.now,
    };
    call.admit(&grant, Capability::Grant(GrantType::ClientCredentials))
        .await?;
    let answer = prepare(
        call.ports,
        &call.sight,
        Issue {
            client,
            grant: &grant,
            refresh_token: None,
            nonce: None,
            cnf: call.cnf.clone(),
            now: call.now,
        },
    )
    .await?;
    answer.store(call.ports).await?;
    Ok(answer.response)
}
