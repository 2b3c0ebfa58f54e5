//! Issuing tokens for a grant: the one place where any grant type becomes a response.

use super::{
    Failure, Ports,
    access::OPAQUE_PREFIX,
    ports::{
        StoreError,
        state::{Kind, StateKey},
    },
    state,
};
use crate::{
    domain::{
        client::{AccessTokenFormat, Client},
        grant::Grant,
        resource::ResourceServer,
        role::Authority,
        scope::Scope,
    },
    protocol::{
        access_token::{self, AccessToken, Stamp},
        capability::STANDARD_SCOPES,
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
}

/// Makes the access token, and an ID token where `openid` was granted.
pub async fn issue(ports: &Ports, issue: Issue<'_>) -> Result<TokenResponse, Failure> {
    let apis = resource_servers(ports, issue.grant).await?;
    let scope = scope_at(&apis, &issue.grant.scope);
    let grant = issue.grant.narrow(&scope, issue.grant.resources.clone());
    let authority = authority(ports, &grant).await?;
    let lifetime = ports.settings.access_token_lifetime(issue.client);
    let stamp = Stamp {
        id: ports.identifier(),
        now: ports.clock.now(),
        lifetime,
    };
    let claims = AccessToken::new(&grant, &authority, &ports.settings.issuer, stamp);
    let access_token = match format(issue.client, &apis) {
        AccessTokenFormat::Jwt => sign_access_token(ports, &claims)?,
        AccessTokenFormat::Opaque => store_access_token(ports, issue.client, &claims).await?,
    };
    Ok(TokenResponse {
        id_token: sign_id_token(ports, &issue, &access_token)?,
        access_token,
        token_type: "Bearer",
        expires_in: lifetime.as_secs(),
        scope,
        refresh_token: issue.refresh_token.map(|token| token.to_string()),
    })
}

/// The registered APIs among the granted resources. No resource, no query.
async fn resource_servers(ports: &Ports, grant: &Grant) -> Result<Vec<ResourceServer>, StoreError> {
    let mut servers = Vec::new();
    for identifier in &grant.resources {
        servers.extend(ports.store.reader().resource_server(identifier).await?);
    }
    Ok(servers)
}

/// A token for registered APIs carries only what means something there, and the standard values.
fn scope_at(apis: &[ResourceServer], granted: &Scope) -> Scope {
    if apis.is_empty() {
        return granted.clone();
    }
    let standard: Scope = STANDARD_SCOPES.parse().unwrap_or_default();
    granted.intersection(&apis.iter().fold(standard, |all, api| all.union(&api.scope)))
}

/// Opaque as soon as one API wants it; else as the client registered.
fn format(client: &Client, apis: &[ResourceServer]) -> AccessTokenFormat {
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

/// Roles and permissions, read only where something in the scope could release them.
async fn authority(ports: &Ports, grant: &Grant) -> Result<Authority, StoreError> {
    let releases = grant.scope.iter().any(|value| {
        !matches!(
            value,
            "openid" | "profile" | "email" | "address" | "phone" | "offline_access"
        )
    });
    match grant.subject() {
        Some(user) if releases => ports.store.reader().authority(user).await,
        _ => Ok(Authority::default()),
    }
}

fn sign_access_token(ports: &Ports, claims: &AccessToken) -> Result<String, Failure> {
    let algorithm = ports.settings.access_token_algorithm;
    Ok(ports
        .signer
        .sign(access_token::TYP, algorithm, &serde_json::to_vec(claims)?)?)
}

async fn store_access_token(
    ports: &Ports,
    client: &Client,
    claims: &AccessToken,
) -> Result<String, Failure> {
    let token = format!("{OPAQUE_PREFIX}{}", ports.secret());
    let key = StateKey::new(Kind::AccessToken, &token);
    state::put_record(
        &*ports.state,
        &key,
        claims,
        ports.settings.access_token_lifetime(client),
    )
    .await?;
    Ok(token)
}

fn sign_id_token(
    ports: &Ports,
    issue: &Issue<'_>,
    access_token: &str,
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
    let life = (
        ports.clock.now(),
        ports.settings.id_token_lifetime(issue.client),
    );
    let claims = IdToken::new(issue.grant, owner, &ports.settings.issuer, life)
        .with_nonce(issue.nonce.clone())
        .with_access_token(access_token, algorithm);
    Ok(Some(ports.signer.sign(
        id_token::TYP,
        algorithm,
        &serde_json::to_vec(&claims)?,
    )?))
}
