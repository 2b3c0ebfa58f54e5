//! RFC 6749 §4.1.3 — a code becomes tokens, once.

use std::time::Duration;

use super::{Call, admit};
use crate::{
    application::{
        Failure,
        commands::{
            end_grant::{self, about_grant, end_grant, family_key},
            end_session, withdraw_consent,
        },
        issue::{Issue, prepare},
        ports::{
            Entry, StoreError,
            state::{Kind, StateKey},
        },
        state,
        trail::About,
    },
    domain::{
        client::GrantType,
        event::EventKind,
        grant::Grant,
        id::{ClientId, GrantId},
    },
    protocol::{
        code_grant::{self, CodeSlot, Exchange, Redemption, invalid_grant},
        params::Params,
        refresh::Family,
        resource,
        token::TokenResponse,
    },
};

/// How much longer than a code its tombstone is kept, so that a replay is noticed.
const TOMBSTONE: Duration = Duration::from_mins(10);

/// Redeems a code, given what was found under it.
pub(super) async fn redeem(
    call: &Call<'_>,
    exchange: Exchange<'_>,
    resources: &[String],
    found: Vec<Option<Vec<u8>>>,
) -> Result<TokenResponse, Failure> {
    let slot = found_slot(&found)?;
    match code_grant::redeem(exchange, slot, &call.client, call.now) {
        Redemption::Granted(grant) => {
            let narrowed = resource::narrowed(resources, &grant.resources)?;
            let found = found.into_iter().next().flatten().unwrap_or_default();
            issue_for(call, exchange.code, (*grant, narrowed), &found).await
        }
        Redemption::Replayed { grant, owner } => {
            end_replayed(call, &grant, Some(owner)).await?;
            Err(invalid_grant("the code was used before").into())
        }
        Redemption::Misused(owner) => {
            spend(call, exchange.code, &owner).await?;
            let about = About {
                client: Some(call.client.id.clone()),
                detail: Some(serde_json::json!({ "issued_to": owner })),
                ..About::default()
            };
            let ports = call.ports;
            ports
                .refused(EventKind::CodeMisused, call.origin, about)
                .await?;
            Err(invalid_grant("the code was issued to another client").into())
        }
        Redemption::Unknown => {
            // The tombstone is forgotten after a while; the grant that the code became is not.
            let grant = code_grant::grant_id(exchange.code);
            if call.ports.store.reader().grant(&grant).await?.is_some() {
                end_replayed(call, &grant, None).await?;
            }
            Err(invalid_grant("the code is unknown").into())
        }
        Redemption::Rejected(error) => {
            spend(call, exchange.code, &call.client.id).await?;
            Err(error.into())
        }
    }
}

/// A spent code revokes its grant however malformed the rest of the request is (RFC 6749 §4.1.2).
pub(super) async fn notice_replay(
    call: &Call<'_>,
    params: &Params,
    found: &[Option<Vec<u8>>],
) -> Result<(), Failure> {
    if params.get("grant_type") != Some("authorization_code") {
        return Ok(());
    }
    match (params.get("code"), found_slot(found)?) {
        (Some(code), Some(CodeSlot::Spent { client })) => {
            end_replayed(call, &code_grant::grant_id(code), Some(client)).await
        }
        _ => Ok(()),
    }
}

fn found_slot(found: &[Option<Vec<u8>>]) -> Result<Option<CodeSlot>, Failure> {
    let bytes = found.first().and_then(Option::as_deref);
    Ok(bytes.map(state::decode).transpose()?)
}

/// Makes the answer, spends the code, makes the grant exist, and looks again.
async fn issue_for(
    call: &Call<'_>,
    code: &str,
    (grant, narrowed): (Grant, Vec<String>),
    record: &[u8],
) -> Result<TokenResponse, Failure> {
    call.admit(&grant, GrantType::AuthorizationCode).await?;
    let family = starts_family(call, &grant).then(|| {
        let policy = call.ports.settings.refresh_policy(&call.client);
        Family::new(without_nonce(&grant), &policy, call.now).in_epoch(call.sight.epoch())
    });
    let refresh_token = family
        .as_ref()
        .map(|_| call.ports.refresh_key.token(grant.id.as_str(), 0));
    let nonce = grant.owner.as_ref().and_then(|owner| owner.nonce.clone());
    let answer = prepare(
        call.ports,
        &call.sight,
        Issue {
            client: &call.client,
            grant: &grant.narrow(&grant.scope, narrowed),
            refresh_token,
            nonce,
            now: call.now,
        },
    )
    .await?;
    match spend(call, code, &call.client.id).await? {
        Some(CodeSlot::Live(_)) => {}
        Some(CodeSlot::Spent { client }) => {
            end_replayed(call, &grant.id, Some(client)).await?;
            return Err(invalid_grant("the code was used before").into());
        }
        None => return Err(invalid_grant("the code is expired").into()),
    }
    let (stored, written, answered) = tokio::join!(
        store_grant(call, &grant, family.is_some()),
        store_family(call, &grant.id, family.as_ref()),
        answer.store(call.ports),
    );
    match stored {
        Ok(true) => {}
        Ok(false) => {
            end_replayed(call, &grant.id, None).await?;
            return Err(invalid_grant("the code was redeemed before").into());
        }
        Err(error) => {
            give_back(call, code, record).await;
            return Err(error.into());
        }
    }
    written?;
    answered?;
    look_again(call, &grant).await?;
    Ok(answer.response)
}

/// Puts the tombstone in the code's place, and returns what was there. Exactly one of several
/// requests sees the code.
async fn spend(call: &Call<'_>, code: &str, owner: &ClientId) -> Result<Option<CodeSlot>, Failure> {
    let spent = CodeSlot::Spent {
        client: owner.clone(),
    };
    let ttl = call.ports.settings.lifetimes.code + TOMBSTONE;
    let key = StateKey::new(Kind::Code, code);
    Ok(state::swap_record(&*call.ports.state, &key, &spent, ttl).await?)
}

/// The database could not take the grant: the code works again, so that the client's next try may
/// succeed. The grant's unique identifier stays the final gate, whatever was written after all.
async fn give_back(call: &Call<'_>, code: &str, record: &[u8]) {
    let key = StateKey::new(Kind::Code, code);
    let ttl = call.ports.settings.lifetimes.code;
    if let Err(error) = call.ports.state.put(&key, record, ttl).await {
        tracing::warn!(%error, "a code could not be given back");
    }
}

/// Makes the grant exist. False if it was redeemed before: the final single-use gate, which holds
/// even if the state store forgot.
async fn store_grant(call: &Call<'_>, grant: &Grant, has_family: bool) -> Result<bool, StoreError> {
    let about = About {
        user: grant.subject().cloned(),
        ..about_grant(grant.client.clone(), &grant.id)
    };
    let event = call.ports.event(EventKind::GrantIssued, call.origin, about);
    let entry = Entry::Redeem {
        grant: Box::new(grant.clone()),
        expires_at: grant_end(call, has_family),
        event: Box::new(event),
    };
    call.ports.ledger.append(entry).await
}

async fn store_family(
    call: &Call<'_>,
    grant: &GrantId,
    family: Option<&Family>,
) -> Result<(), Failure> {
    let Some(family) = family else {
        return Ok(());
    };
    let ttl = family.expires_at.since(call.now);
    let key = family_key(grant.as_str());
    Ok(state::put_record(&*call.ports.state, &key, family, ttl).await?)
}

/// What ended while the grant was being made ends the grant as well (security.md 136).
async fn look_again(call: &Call<'_>, grant: &Grant) -> Result<(), Failure> {
    let Some(owner) = &grant.owner else {
        return Ok(());
    };
    let keys = [
        end_session::marker(&owner.authentication.session),
        withdraw_consent::marker(&owner.subject, &grant.client),
        end_grant::mark(&grant.id),
    ];
    let (found, sight) = call.ports.directory.look(&keys).await?;
    let is_found = |at: usize| found.get(at).is_some_and(Option::is_some);
    if is_found(2) {
        // A replay came while the winner was at work: it gets the answer that it won, with tokens
        // that are dead already, and the family that the replay could not find yet goes too.
        call.ports
            .state
            .delete(&family_key(grant.id.as_str()))
            .await?;
    }
    let ended = is_found(0) || is_found(1);
    let client = sight.client(&grant.client).await?;
    let stands = match client {
        Some(client) if !ended => {
            let seen = (&sight, &*client);
            admit(
                call.ports,
                seen,
                grant,
                GrantType::AuthorizationCode,
                call.now,
            )
            .await
        }
        _ => Err(invalid_grant("the session, consent or grant has ended").into()),
    };
    if let Err(failure) = stands {
        let about = about_grant(grant.client.clone(), &grant.id);
        let why = (EventKind::GrantRevoked, about);
        end_grant(call.ports, &grant.id, &call.client, why, call.origin).await?;
        return Err(failure);
    }
    Ok(())
}

async fn end_replayed(
    call: &Call<'_>,
    grant: &GrantId,
    owner: Option<ClientId>,
) -> Result<(), Failure> {
    let foreign = owner.filter(|owner| *owner != call.client.id);
    let about = About {
        detail: foreign.map(|owner| serde_json::json!({ "issued_to": owner })),
        ..about_grant(call.client.id.clone(), grant)
    };
    let why = (EventKind::CodeReplayed, about);
    end_grant(call.ports, grant, &call.client, why, call.origin).await
}

/// OIDC Core §11: a refresh token is what `offline_access` asks for.
fn starts_family(call: &Call<'_>, grant: &Grant) -> bool {
    grant.scope.contains("offline_access")
        && call.client.grant_types.contains(&GrantType::RefreshToken)
}

/// From when no token of the grant can be alive.
fn grant_end(call: &Call<'_>, has_family: bool) -> crate::domain::time::Timestamp {
    let settings = &call.ports.settings;
    let access = settings.access_token_lifetime(&call.client);
    let family = if has_family {
        settings.refresh_policy(&call.client).absolute
    } else {
        Duration::ZERO
    };
    call.now.plus(access.saturating_add(family))
}

/// The nonce belongs to the first ID token only.
fn without_nonce(grant: &Grant) -> Grant {
    let mut grant = grant.clone();
    if let Some(owner) = &mut grant.owner {
        owner.nonce = None;
    }
    grant
}
