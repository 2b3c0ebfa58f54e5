//! RFC 6749 §6, RFC 9700 §4.14 — a refresh token becomes its successor.

use super::{Call, is_ended};
use crate::{
    application::{
        Failure,
        commands::end_grant::{self, about_grant, end_grant, family_key},
        issue::{Issue, Prepared, prepare},
        ports::state::StateKey,
        state::{self, Stored},
        trail::About,
    },
    domain::{client::GrantType, event::EventKind, id::GrantId, scope::Scope},
    protocol::{
        capability::Capability,
        code_grant::invalid_grant,
        error::{ErrorCode, OAuthError},
        refresh::{Family, RefreshToken, Rotation, rotate},
        resource,
        token::TokenResponse,
    },
};

/// Lost races for one family until we give up: each means that another request made progress.
const MAX_ATTEMPTS: usize = 100;

/// What the request wants less of than was granted (RFC 6749 §6, RFC 8707 §2.2).
pub(super) struct Narrowing {
    pub(super) scope: Option<Scope>,
    pub(super) resources: Vec<String>,
}

/// What a request with this token needs of the state store.
pub(super) fn records(token: &RefreshToken) -> Vec<StateKey> {
    let grant = GrantId::new(token.family.as_str());
    vec![family_key(&token.family), end_grant::mark(&grant)]
}

/// Moves a family on; whoever loses a race looks again.
pub(super) async fn refresh(
    call: &Call<'_>,
    presented: &str,
    narrowing: &Narrowing,
    mut found: Vec<Option<Vec<u8>>>,
) -> Result<TokenResponse, Failure> {
    let token: RefreshToken = presented
        .parse()
        .map_err(|_| invalid_grant("not a refresh token of ours"))?;
    if !call.ports.refresh_key.is_genuine(&token) {
        return Err(invalid_grant("the refresh token is forged").into());
    }
    let mut call = call.clone();
    for _ in 0..MAX_ATTEMPTS {
        let mut read = found.into_iter();
        let bytes = read
            .next()
            .flatten()
            .ok_or_else(|| invalid_grant("the refresh token is unknown"))?;
        let marked = read.next().flatten().is_some();
        let stored = Stored::<Family>::of(bytes)?;
        if let Some(response) = attempt(&call, &token, narrowing, (stored, marked)).await? {
            return Ok(response);
        }
        (found, call.sight) = call.ports.directory.look(&records(&token)).await?;
    }
    Err(Failure::Unavailable("the refresh token family", None))
}

/// One try with the family as it was read. None if another request changed it first.
async fn attempt(
    call: &Call<'_>,
    token: &RefreshToken,
    narrowing: &Narrowing,
    (stored, marked): (Stored<Family>, bool),
) -> Result<Option<TokenResponse>, Failure> {
    let ports = call.ports;
    let client = &call.client;
    let policy = ports.settings.refresh_policy(client);
    let key = family_key(&token.family);
    let rotation = rotate(
        &stored.record,
        token.generation,
        &client.id,
        &policy,
        call.now,
    );
    match rotation {
        Rotation::Next(next) => {
            // The whole answer first: a token must not be lost to a request that asks too much, nor
            // to a fault of ours.
            let answer = prepare_for(call, token, narrowing, (&next, marked)).await?;
            let next = next.in_epoch(call.sight.epoch());
            let ttl = next.idle_until.since(call.now);
            if !state::replace_record(&*ports.state, &key, &stored, &next, ttl).await? {
                return Ok(None);
            }
            answer.store(ports).await?;
            Ok(Some(answer.response))
        }
        Rotation::Retry(family) => {
            let answer = prepare_for(call, token, narrowing, (&family, marked)).await?;
            answer.store(ports).await?;
            Ok(Some(answer.response))
        }
        Rotation::Replay => {
            let grant = &stored.record.grant.id;
            let about = About {
                user: stored.record.grant.subject().cloned(),
                ..about_grant(client.id.clone(), grant)
            };
            let why = (EventKind::RefreshReplayed, about);
            end_grant(ports, grant, client, why, call.origin).await?;
            Err(invalid_grant("the refresh token was used before").into())
        }
        Rotation::Misuse => {
            let about = about_grant(client.id.clone(), &stored.record.grant.id);
            ports
                .refused(EventKind::RefreshMisused, call.origin, about)
                .await?;
            Err(invalid_grant("the refresh token was issued to another client").into())
        }
        Rotation::Reject(cause) => Err(invalid_grant(cause).into()),
    }
}

/// Checks that the request may have what it asks for, and makes the answer.
async fn prepare_for(
    call: &Call<'_>,
    token: &RefreshToken,
    narrowing: &Narrowing,
    (family, marked): (&Family, bool),
) -> Result<Prepared, Failure> {
    let grant = &family.grant;
    let scope = narrowing.scope.as_ref();
    if scope.is_some_and(|scope| scope.is_empty() || !scope.is_subset(&grant.scope)) {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "the scope is more than was granted",
        )
        .into());
    }
    let still = resource::still_allowed(&grant.resources, &call.client.resources)?;
    let resources = resource::narrowed(&narrowing.resources, &still)?;
    if is_ended(&call.sight, &grant.id, marked, &family.epoch).await? {
        return Err(invalid_grant("the grant is revoked").into());
    }
    call.admit(grant, Capability::Grant(GrantType::RefreshToken))
        .await?;
    // What the client may ask for can have shrunk since.
    let mut narrowed = grant.narrow(&call.client.scope, resources);
    if let Some(scope) = scope {
        narrowed.scope = narrowed.scope.intersection(scope);
    }
    let successor = call.ports.refresh_key.token(&token.family, family.leaf);
    prepare(
        call.ports,
        &call.sight,
        Issue {
            client: &call.client,
            grant: &narrowed,
            refresh_token: Some(successor),
            nonce: None,
            cnf: call.cnf.clone(),
            now: call.now,
        },
    )
    .await
}
