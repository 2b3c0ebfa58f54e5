//! Issuing tokens for a grant: the one place where any grant type becomes a response.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Failure, Ports, access,
    directory::Sight,
    ports::{
        StoreError,
        state::{StateError, StateKey},
    },
};
use crate::{
    domain::{
        client::{AccessTokenFormat, Client},
        client_rights::Place,
        grant::Grant,
        resource::ResourceServer,
        role::Authority,
        scope::{STANDARD_SCOPES, Scope},
        time::Timestamp,
    },
    metrics,
    protocol::{
        access_token::{self, AccessToken, Stamp},
        id_token::{self, IdToken},
        refresh::RefreshToken,
        token::TokenResponse,
    },
};

/// What one response is made of.
pub struct Issue<'a> {
    /// Who asks.
    pub client: &'a Client,
    /// What was granted, narrowed to this request.
    pub grant: &'a Grant,
    /// The refresh token that goes along.
    pub refresh_token: Option<RefreshToken>,
    /// The `nonce` for the ID token; only the code exchange has one.
    pub nonce: Option<String>,
    /// The moment of the request.
    pub now: Timestamp,
}

/// A complete answer. An opaque token in it works once it was stored.
pub struct Prepared {
    /// The answer.
    pub response: TokenResponse,
    opaque: Option<Opaque>,
}

/// What the state store shall hold under an opaque token.
struct Opaque {
    key: StateKey,
    record: Vec<u8>,
    lifetime: Duration,
}

impl Prepared {
    /// Makes an opaque token known. A self-contained one needs nothing.
    pub async fn store(&self, ports: &Ports) -> Result<(), StateError> {
        match &self.opaque {
            Some(opaque) => {
                ports
                    .state
                    .put(&opaque.key, &opaque.record, opaque.lifetime)
                    .await
            }
            None => Ok(()),
        }
    }
}

/// Makes the access token, and an ID token where `openid` was granted. Nothing is written.
pub async fn prepare(
    ports: &Ports,
    sight: &Sight<'_>,
    issue: Issue<'_>,
) -> Result<Prepared, Failure> {
    let apis = resource_servers(sight, issue.grant).await?;
    let grant = grant_at(&apis, issue.grant);
    let authority = authority(sight, issue.client, &grant).await?;
    let rights = &issue.client.rights;
    let release = rights.release(&authority, &grant.scope, &grant.resources);
    let mapped = |place| rights.mapped(place, &grant.scope, (&authority.claims, &release));
    let lifetime = ports.settings.access_token_lifetime(issue.client);
    let stamp = Stamp {
        id: ports.identifier(),
        now: issue.now,
        lifetime,
        epoch: sight.epoch().to_owned(),
    };
    let issuer = &ports.settings.issuer;
    let claims = AccessToken::new(&grant, &release, mapped(Place::AccessToken), issuer, stamp);
    let record = serde_json::to_vec(&claims)?;
    let (access_token, opaque) = match format(issue.client, &apis) {
        AccessTokenFormat::Jwt => {
            metrics::token("jwt");
            (sign_access_token(ports, &record)?, None)
        }
        AccessTokenFormat::Opaque => {
            metrics::token("opaque");
            let token = access::new_opaque(ports, &grant.id);
            let key = access::opaque_key(&token);
            let opaque = Opaque {
                key,
                record,
                lifetime,
            };
            (token, Some(opaque))
        }
    };
    let response = TokenResponse {
        id_token: sign_id_token(ports, &issue, &access_token, mapped)?,
        access_token,
        token_type: "Bearer",
        expires_in: lifetime.as_secs(),
        scope: grant.scope.clone(),
        refresh_token: issue.refresh_token.map(|token| token.to_string()),
    };
    Ok(Prepared { response, opaque })
}

/// The registered APIs among the granted resources. No resource, no question.
async fn resource_servers(
    sight: &Sight<'_>,
    grant: &Grant,
) -> Result<Vec<Arc<ResourceServer>>, StoreError> {
    let mut servers = Vec::new();
    for identifier in &grant.resources {
        servers.extend(sight.resource_server(identifier).await?);
    }
    Ok(servers)
}

/// A token for registered APIs carries only what means something there, and the standard values.
fn grant_at<'g>(apis: &[Arc<ResourceServer>], grant: &'g Grant) -> Cow<'g, Grant> {
    if apis.is_empty() {
        return Cow::Borrowed(grant);
    }
    let standard: Scope = STANDARD_SCOPES.parse().unwrap_or_default();
    let known = apis.iter().fold(standard, |all, api| all.union(&api.scope));
    Cow::Owned(grant.narrow(&known, grant.resources.clone()))
}

/// Opaque as soon as one API wants it; else as the client registered.
fn format(client: &Client, apis: &[Arc<ResourceServer>]) -> AccessTokenFormat {
    let wanted: Vec<_> = apis
        .iter()
        .filter_map(|api| api.access_token_format)
        .collect();
    if wanted.contains(&AccessTokenFormat::Opaque) {
        return AccessTokenFormat::Opaque;
    }
    wanted
        .first()
        .copied()
        .unwrap_or(client.tokens.access_token_format)
}

/// Roles, permissions and direct claims, read only where scope or mappers could release them.
async fn authority(
    sight: &Sight<'_>,
    client: &Client,
    grant: &Grant,
) -> Result<Arc<Authority>, StoreError> {
    let releases = !client.rights.mappers.is_empty()
        || grant.scope.iter().any(|value| {
            !matches!(
                value,
                "openid" | "profile" | "email" | "address" | "phone" | "offline_access"
            )
        });
    match grant.subject() {
        Some(user) if releases => sight.authority(user).await,
        _ => Ok(Arc::default()),
    }
}

fn sign_access_token(ports: &Ports, claims: &[u8]) -> Result<String, Failure> {
    let algorithm = ports.settings.access_token_algorithm;
    Ok(ports.signer.sign(access_token::TYP, algorithm, claims)?)
}

fn sign_id_token(
    ports: &Ports,
    issue: &Issue<'_>,
    access_token: &str,
    mapped: impl FnOnce(Place) -> Map<String, Value>,
) -> Result<Option<String>, Failure> {
    let Some(owner) = issue
        .grant
        .owner
        .as_ref()
        .filter(|_| issue.grant.scope.contains("openid"))
    else {
        return Ok(None);
    };
    let algorithm = issue.client.tokens.id_token_algorithm;
    let life = (issue.now, ports.settings.id_token_lifetime(issue.client));
    let claims = IdToken::new(issue.grant, owner, &ports.settings.issuer, life)
        .with_nonce(issue.nonce.clone())
        .with_mapped(mapped(Place::IdToken))
        .with_access_token(access_token, algorithm);
    Ok(Some(ports.signer.sign(
        id_token::TYP,
        algorithm,
        &serde_json::to_vec(&claims)?,
    )?))
}
