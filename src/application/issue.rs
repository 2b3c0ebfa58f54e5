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
    protect::{Wanted, protect},
};
use crate::{
    domain::{
        certificate::Confirmation,
        client::{AccessTokenFormat, Client},
        client_rights::{Place, Release},
        grant::Grant,
        resource::ResourceServer,
        response_type::ResponseType,
        role::Authority,
        scope::{STANDARD_SCOPES, Scope},
        time::Timestamp,
    },
    metrics,
    protocol::{
        access_token::{self, AccessToken, Stamp},
        authorization_response::ShownToken,
        id_token::{self, Beside, IdToken},
        refresh::RefreshToken,
        token::TokenResponse,
        userinfo,
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
    /// What the access token is bound to.
    pub cnf: Option<Confirmation>,
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
        store(ports, self.opaque.as_ref()).await
    }
}

/// Makes the answer of the token endpoint: the access token, and an ID token where `openid` was
/// granted. Nothing is written.
pub async fn prepare(
    ports: &Ports,
    sight: &Sight<'_>,
    issue: Issue<'_>,
) -> Result<Prepared, Failure> {
    let mut mint = Mint::new((ports, sight), (issue.client, issue.grant), issue.now).await?;
    let access = mint.access_token(issue.cnf)?;
    let beside = Beside {
        access_token: Some(&access.value),
        ..Beside::default()
    };
    let claims = mint.claims_about_user(sight, false).await?;
    let id_token = mint.id_token(issue.nonce, &beside, claims).await?;
    let response = TokenResponse {
        id_token,
        access_token: access.value,
        token_type: "Bearer",
        expires_in: mint.lifetime.as_secs(),
        scope: mint.grant.scope.clone(),
        refresh_token: issue.refresh_token.map(|token| token.to_string()),
    };
    Ok(Prepared {
        response,
        opaque: access.opaque,
    })
}

/// What an authorization response shows the browser.
pub struct Show<'a> {
    /// Who asks.
    pub client: &'a Client,
    /// What was granted.
    pub grant: &'a Grant,
    /// Which tokens.
    pub response_type: ResponseType,
    /// The code that goes along.
    pub code: Option<&'a str>,
    /// `state` of the request.
    pub state: Option<&'a str>,
    /// The moment of the request.
    pub now: Timestamp,
}

/// Tokens for an authorization response. An opaque one works once it was stored.
pub struct Shown {
    /// `access_token`
    pub access: Option<ShownToken>,
    /// `id_token`
    pub id_token: Option<String>,
    opaque: Option<Opaque>,
}

impl Shown {
    /// Makes an opaque token known. A self-contained one needs nothing.
    pub async fn store(&self, ports: &Ports) -> Result<(), StateError> {
        store(ports, self.opaque.as_ref()).await
    }
}

/// Makes the tokens that the response type asks for. Nothing is written.
pub async fn show(ports: &Ports, sight: &Sight<'_>, show: Show<'_>) -> Result<Shown, Failure> {
    let mut mint = Mint::new((ports, sight), (show.client, show.grant), show.now).await?;
    let response_type = show.response_type;
    let access = response_type
        .has_token()
        .then(|| mint.access_token(None))
        .transpose()?;
    let mut id_token = None;
    if response_type.has_id_token() {
        let beside = Beside {
            access_token: access.as_ref().map(|access| access.value.as_str()),
            code: show.code,
            state: show.state,
        };
        let alone = !response_type.leads_to_userinfo();
        let claims = mint.claims_about_user(sight, alone).await?;
        let owner = show.grant.owner.as_ref();
        let nonce = owner.and_then(|owner| owner.nonce.clone());
        id_token = mint.id_token(nonce, &beside, claims).await?;
    }
    let (value, opaque) = access.map(|it| (it.value, it.opaque)).unzip();
    let access = value.map(|value| ShownToken {
        value,
        lifetime: mint.lifetime,
        scope: mint.grant.scope.clone(),
    });
    Ok(Shown {
        access,
        id_token,
        opaque: opaque.flatten(),
    })
}

async fn store(ports: &Ports, opaque: Option<&Opaque>) -> Result<(), StateError> {
    match opaque {
        Some(Opaque {
            key,
            record,
            lifetime,
        }) => ports.state.put(key, record, *lifetime).await,
        None => Ok(()),
    }
}

/// What every token of one response is made from.
struct Mint<'a> {
    ports: &'a Ports,
    client: &'a Client,
    /// As granted.
    granted: &'a Grant,
    /// As it means something at the APIs that it is for.
    grant: Cow<'a, Grant>,
    authority: Arc<Authority>,
    release: Release,
    format: AccessTokenFormat,
    lifetime: Duration,
    epoch: String,
    now: Timestamp,
}

/// An access token of one response.
struct Minted {
    value: String,
    opaque: Option<Opaque>,
}

impl<'a> Mint<'a> {
    async fn new(
        (ports, sight): (&'a Ports, &Sight<'_>),
        (client, granted): (&'a Client, &'a Grant),
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let apis = resource_servers(sight, granted).await?;
        let grant = grant_at(&apis, granted);
        let authority = authority(sight, client, &grant).await?;
        let release = client
            .rights
            .release(&authority, &grant.scope, &grant.resources);
        Ok(Self {
            ports,
            client,
            granted,
            authority,
            release,
            format: format(client, &apis),
            lifetime: ports.settings.access_token_lifetime(client),
            epoch: sight.epoch().to_owned(),
            now,
            grant,
        })
    }

    fn mapped(&self, place: Place) -> Map<String, Value> {
        let known = (&self.authority.claims, &self.release);
        self.client.rights.mapped(place, &self.grant.scope, known)
    }

    /// Once: the epoch goes along.
    fn access_token(&mut self, cnf: Option<Confirmation>) -> Result<Minted, Failure> {
        let stamp = Stamp {
            id: self.ports.identifier(),
            now: self.now,
            lifetime: self.lifetime,
            epoch: std::mem::take(&mut self.epoch),
            cnf,
        };
        let (issuer, mapped) = (&self.ports.settings.issuer, self.mapped(Place::AccessToken));
        let claims = AccessToken::new(&self.grant, &self.release, mapped, issuer, stamp);
        let record = serde_json::to_vec(&claims)?;
        metrics::token(self.format.as_str());
        match self.format {
            AccessTokenFormat::Jwt => Ok(Minted {
                value: sign_access_token(self.ports, &record)?,
                opaque: None,
            }),
            AccessTokenFormat::Opaque => {
                let value = access::new_opaque(self.ports, &self.grant.id);
                let opaque = Opaque {
                    key: access::opaque_key(&value),
                    record,
                    lifetime: self.lifetime,
                };
                Ok(Minted {
                    value,
                    opaque: Some(opaque),
                })
            }
        }
    }

    /// The claims that the ID token was asked for by name (OIDC Core §5.5); those of the scope too
    /// where it stands alone, because no access token leads to them then (§5.4).
    async fn claims_about_user(
        &self,
        sight: &Sight<'_>,
        alone: bool,
    ) -> Result<Map<String, Value>, Failure> {
        let demands = &self.granted.claims.id_token;
        let Some(user) = self
            .granted
            .subject()
            .filter(|_| alone || !demands.is_empty())
        else {
            return Ok(Map::new());
        };
        let Some(user) = sight.user(user).await? else {
            return Ok(Map::new());
        };
        let asked = (demands, &self.client.scope);
        let mut claims = userinfo::demanded(&user, &self.release, asked);
        if alone {
            claims.extend(userinfo::claims(&user, &self.release, &self.granted.scope));
        }
        Ok(claims)
    }

    async fn id_token(
        &self,
        nonce: Option<String>,
        beside: &Beside<'_>,
        claims: Map<String, Value>,
    ) -> Result<Option<String>, Failure> {
        let Some(owner) = self
            .granted
            .owner
            .as_ref()
            .filter(|_| self.granted.scope.contains("openid"))
        else {
            return Ok(None);
        };
        let settings = &self.ports.settings;
        let algorithm = self.client.tokens.id_token_algorithm;
        let life = (self.now, settings.id_token_lifetime(self.client));
        let claims = IdToken::new(self.granted, owner, &settings.issuer, life)
            .with_nonce(nonce)
            .with_mapped(self.mapped(Place::IdToken))
            .with_claims(claims)
            .bound_to(beside, algorithm);
        let claims = serde_json::to_vec(&claims)?;
        let content = (id_token::TYP, claims.as_slice());
        let wanted = Wanted::of_id_token(self.client);
        protect(self.ports, self.client, content, wanted)
            .await
            .map(Some)
    }
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
        || grant
            .claims
            .names()
            .any(|claim| matches!(claim, "roles" | "groups" | "permissions"))
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
