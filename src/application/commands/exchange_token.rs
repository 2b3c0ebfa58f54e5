//! RFC 6749 §4.1.3, §4.4, §6 — the token endpoint's three grants.
//!
//! Order: state gate, SQL, answer. A crash leaves a spent code, never a reusable one.

use super::end_session;
use crate::{
    application::{
        Failure, Ports,
        issue::{Issue, issue},
        ports::state::{Kind, StateKey},
        state,
        trail::{About, Origin},
    },
    domain::{
        client::{Client, GrantType},
        event::EventKind,
        grant::{Grant, GrantRecord},
        id::{GrantId, UserId},
        scope::Scope,
        time::Timestamp,
    },
    protocol::{
        code_grant::{self, CodeSlot, Exchange, Redemption, invalid_grant},
        error::{ErrorCode, OAuthError},
        gate::{self, Admission},
        refresh::{Family, RefreshToken, Rotation, rotate},
        resource,
        token::{TokenRequest, TokenResponse},
    },
};

/// How much longer than a code its tombstone is kept, so that a replay is noticed.
const TOMBSTONE: std::time::Duration = std::time::Duration::from_mins(10);
/// Lost races for one family until we give up: each means that another request made progress.
const MAX_ROTATION_ATTEMPTS: usize = 100;

/// Answers a token request of an authenticated client.
pub async fn exchange_token(
    ports: &Ports,
    client: &Client,
    request: TokenRequest,
    origin: &Origin,
) -> Result<TokenResponse, Failure> {
    gate::may_use(client, request.grant_type(), &ports.settings.features)?;
    match request {
        TokenRequest::AuthorizationCode {
            code,
            redirect_uri,
            verifier,
            resources,
        } => {
            let exchange = Exchange {
                code: &code,
                redirect_uri: &redirect_uri,
                verifier: verifier.as_deref(),
            };
            redeem_code(ports, client, exchange, &resources, origin).await
        }
        TokenRequest::RefreshToken {
            token,
            scope,
            resources,
        } => refresh(ports, client, &token, (scope, resources), origin).await,
        TokenRequest::ClientCredentials { scope, resources } => {
            client_credentials(ports, client, scope, &resources, origin).await
        }
    }
}

async fn redeem_code(
    ports: &Ports,
    client: &Client,
    exchange: Exchange<'_>,
    resources: &[String],
    origin: &Origin,
) -> Result<TokenResponse, Failure> {
    let now = ports.clock.now();
    let key = StateKey::new(Kind::Code, exchange.code);
    let ttl = ports.settings.lifetimes.code + TOMBSTONE;
    let slot = state::swap_record(&*ports.state, &key, &CodeSlot::Spent, ttl).await?;
    match code_grant::redeem(exchange, slot, client, now) {
        Redemption::Granted(grant) => {
            let family = starts_family(client, &grant).then(|| ports.identifier());
            let narrowed = resource::narrowed(resources, &grant.resources)?;
            admit(ports, client, (&grant, None), GrantType::AuthorizationCode).await?;
            check_session(ports, &grant).await?;
            let expires_at = grant_end(ports, client, family.is_some(), now);
            if !store_grant(ports, &grant, expires_at, origin).await? {
                revoke(ports, &grant.id, client, EventKind::CodeReplayed, origin).await?;
                return Err(invalid_grant("the code was redeemed before").into());
            }
            let refresh_token = match family {
                Some(family) => Some(start_family(ports, client, &grant, family).await?),
                None => None,
            };
            let nonce = grant.owner.as_ref().and_then(|owner| owner.nonce.clone());
            let narrowed = grant.narrow(&grant.scope, narrowed);
            issue(
                ports,
                Issue {
                    client,
                    grant: &narrowed,
                    refresh_token,
                    nonce,
                },
            )
            .await
        }
        Redemption::Replayed(grant) => {
            revoke(ports, &grant, client, EventKind::CodeReplayed, origin).await?;
            Err(invalid_grant("the code was used before").into())
        }
        Redemption::Misused(owner) => {
            let about = About {
                client: Some(client.id.clone()),
                detail: Some(serde_json::json!({ "issued_to": owner })),
                ..About::default()
            };
            ports.record(EventKind::CodeMisused, origin, about).await?;
            Err(invalid_grant("the code was issued to another client").into())
        }
        Redemption::Unknown => {
            // The tombstone is forgotten after a while; the grant that the code became is not.
            let grant = code_grant::grant_id(exchange.code);
            if ports.store.reader().grant(&grant).await?.is_some() {
                revoke(ports, &grant, client, EventKind::CodeReplayed, origin).await?;
            }
            Err(invalid_grant("the code is unknown").into())
        }
        Redemption::Rejected(error) => Err(error.into()),
    }
}

/// A code from before a logout is as dead as the grants that the logout revoked.
async fn check_session(ports: &Ports, grant: &Grant) -> Result<(), Failure> {
    let Some(owner) = &grant.owner else {
        return Ok(());
    };
    let key = end_session::marker(&owner.authentication.session);
    match ports.state.get(&key).await? {
        Some(_) => Err(invalid_grant("the session of the grant has ended").into()),
        None => Ok(()),
    }
}

/// The gate, with what it needs loaded.
async fn admit(
    ports: &Ports,
    client: &Client,
    (grant, record): (&Grant, Option<&GrantRecord>),
    grant_type: GrantType,
) -> Result<(), Failure> {
    let user = match grant.subject() {
        Some(user) => ports.store.reader().user(user).await?,
        None => None,
    };
    let features = &ports.settings.features;
    let admission = Admission {
        grant_type,
        features,
        client,
        grant,
        record,
        user: user.as_ref(),
    };
    Ok(gate::may_receive(&admission, ports.clock.now())?)
}

/// Makes the grant exist. False if it was redeemed before: the final single-use gate, which holds
/// even if the state store forgot.
async fn store_grant(
    ports: &Ports,
    grant: &Grant,
    expires_at: Timestamp,
    origin: &Origin,
) -> Result<bool, Failure> {
    let work = ports.store.begin().await?;
    if !work.redeem_grant(grant, expires_at).await? {
        return Ok(false);
    }
    ports
        .record_in(&*work, EventKind::GrantIssued, origin, about(grant))
        .await?;
    work.commit().await?;
    Ok(true)
}

/// Revokes a grant and everything that stands on it.
pub(super) async fn revoke(
    ports: &Ports,
    grant: &GrantId,
    client: &Client,
    why: EventKind,
    origin: &Origin,
) -> Result<(), Failure> {
    let work = ports.store.begin().await?;
    let revoked = work
        .revoke_grant(grant, &client.id, ports.clock.now())
        .await?;
    let about = About {
        client: Some(client.id.clone()),
        grant: Some(grant.clone()),
        ..About::default()
    };
    ports.record_in(&*work, why, origin, about.clone()).await?;
    if revoked && why != EventKind::GrantRevoked {
        ports
            .record_in(&*work, EventKind::GrantRevoked, origin, about)
            .await?;
    }
    Ok(work.commit().await?)
}

fn about(grant: &Grant) -> About {
    let user: Option<UserId> = grant.subject().cloned();
    About {
        user,
        client: Some(grant.client.clone()),
        grant: Some(grant.id.clone()),
        detail: None,
    }
}

/// OIDC Core §11: a refresh token is what `offline_access` asks for.
fn starts_family(client: &Client, grant: &Grant) -> bool {
    grant.scope.contains("offline_access") && client.grant_types.contains(&GrantType::RefreshToken)
}

/// From when no token of the grant can be alive.
fn grant_end(ports: &Ports, client: &Client, has_family: bool, now: Timestamp) -> Timestamp {
    let access = ports.settings.access_token_lifetime(client);
    let family = if has_family {
        ports.settings.refresh_policy(client).absolute
    } else {
        std::time::Duration::ZERO
    };
    now.plus(access.saturating_add(family))
}

async fn start_family(
    ports: &Ports,
    client: &Client,
    grant: &Grant,
    id: String,
) -> Result<RefreshToken, Failure> {
    let policy = ports.settings.refresh_policy(client);
    let family = Family::new(without_nonce(grant), &policy, ports.clock.now());
    let key = StateKey::new(Kind::RefreshFamily, &id);
    state::put_record(&*ports.state, &key, &family, policy.absolute).await?;
    Ok(ports.refresh_key.token(&id, 0))
}

/// The nonce belongs to the first ID token only.
fn without_nonce(grant: &Grant) -> Grant {
    let mut grant = grant.clone();
    if let Some(owner) = &mut grant.owner {
        owner.nonce = None;
    }
    grant
}

async fn refresh(
    ports: &Ports,
    client: &Client,
    presented: &str,
    (scope, resources): (Option<Scope>, Vec<String>),
    origin: &Origin,
) -> Result<TokenResponse, Failure> {
    let token: RefreshToken = presented
        .parse()
        .map_err(|_| invalid_grant("not a refresh token of ours"))?;
    if !ports.refresh_key.is_genuine(&token) {
        return Err(invalid_grant("the refresh token is forged").into());
    }
    let Some(family) =
        rotate_family(ports, client, &token, (scope.as_ref(), &resources), origin).await?
    else {
        return Err(invalid_grant("the refresh token is unknown").into());
    };
    let scope = scope.unwrap_or_else(|| family.grant.scope.clone());
    let resources = resource::narrowed(&resources, &family.grant.resources)?;
    let narrowed = family.grant.narrow(&scope, resources);
    let successor = ports.refresh_key.token(&token.family, family.leaf);
    issue(
        ports,
        Issue {
            client,
            grant: &narrowed,
            refresh_token: Some(successor),
            nonce: None,
        },
    )
    .await
}

/// Moves the family on, or not; whoever loses a race looks again.
async fn rotate_family(
    ports: &Ports,
    client: &Client,
    token: &RefreshToken,
    narrowing: (Option<&Scope>, &[String]),
    origin: &Origin,
) -> Result<Option<Family>, Failure> {
    let key = StateKey::new(Kind::RefreshFamily, &token.family);
    let policy = ports.settings.refresh_policy(client);
    for _ in 0..MAX_ROTATION_ATTEMPTS {
        let Some(stored) = state::read_record::<Family>(&*ports.state, &key).await? else {
            return Ok(None);
        };
        let now = ports.clock.now();
        match rotate(&stored.record, token.generation, &client.id, &policy, now) {
            Rotation::Next(next) => {
                // Refuse before rotating: a token must not be lost to a request that asks too much.
                check_refresh(ports, client, &next.grant, narrowing).await?;
                let ttl = next.expires_at.since(now);
                if state::replace_record(&*ports.state, &key, &stored, &next, ttl).await? {
                    return Ok(Some(next));
                }
            }
            Rotation::Retry(family) => {
                check_refresh(ports, client, &family.grant, narrowing).await?;
                return Ok(Some(family));
            }
            Rotation::Replay => {
                let revoked = Family {
                    revoked: true,
                    ..stored.record.clone()
                };
                // SQL first: it is what every other token of the grant looks at.
                revoke(
                    ports,
                    &revoked.grant.id,
                    client,
                    EventKind::RefreshReplayed,
                    origin,
                )
                .await?;
                let ttl = revoked.expires_at.since(now);
                if state::replace_record(&*ports.state, &key, &stored, &revoked, ttl).await? {
                    return Err(invalid_grant("the refresh token was used before").into());
                }
            }
            Rotation::Misuse => {
                let about = About {
                    client: Some(client.id.clone()),
                    grant: Some(stored.record.grant.id.clone()),
                    ..About::default()
                };
                ports
                    .record(EventKind::RefreshMisused, origin, about)
                    .await?;
                return Err(invalid_grant("the refresh token was issued to another client").into());
            }
            Rotation::Reject(cause) => return Err(invalid_grant(cause).into()),
        }
    }
    Err(Failure::Unavailable("the refresh token family", None))
}

/// The gate, and that the request stays within the grant (RFC 6749 §6, RFC 8707 §2.2).
async fn check_refresh(
    ports: &Ports,
    client: &Client,
    grant: &Grant,
    (scope, resources): (Option<&Scope>, &[String]),
) -> Result<(), Failure> {
    if scope.is_some_and(|scope| scope.is_empty() || !scope.is_subset(&grant.scope)) {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "the scope is more than was granted",
        )
        .into());
    }
    resource::narrowed(resources, &grant.resources)?;
    let record = ports.store.reader().grant(&grant.id).await?;
    let record = record.ok_or_else(|| invalid_grant("the grant does not exist"))?;
    admit(
        ports,
        client,
        (grant, Some(&record)),
        GrantType::RefreshToken,
    )
    .await
}

async fn client_credentials(
    ports: &Ports,
    client: &Client,
    scope: Option<Scope>,
    resources: &[String],
    origin: &Origin,
) -> Result<TokenResponse, Failure> {
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
    let granted: Vec<String> = client.resources.iter().cloned().collect();
    let resources = if resources.is_empty() {
        Vec::new()
    } else {
        resource::narrowed(resources, &granted)?
    };
    let id = GrantId::new(ports.identifier());
    let granted_at = ports.clock.now();
    let grant = Grant {
        id,
        client: client.id.clone(),
        owner: None,
        scope,
        resources,
        granted_at,
    };
    admit(ports, client, (&grant, None), GrantType::ClientCredentials).await?;
    ports
        .record(EventKind::GrantIssued, origin, about(&grant))
        .await?;
    issue(
        ports,
        Issue {
            client,
            grant: &grant,
            refresh_token: None,
            nonce: None,
        },
    )
    .await
}
