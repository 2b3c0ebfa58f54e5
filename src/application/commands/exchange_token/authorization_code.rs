//! RFC 6749 §4.1.3 — a code becomes tokens, once.

use std::time::Duration;

use super::{Call, new_grant};
use crate::{
    application::{
        Failure,
        commands::end_grant::{about_grant, end_grant},
        issue::{Issue, prepare},
        ports::state::{Kind, StateKey},
        state,
        trail::About,
    },
    domain::{client::GrantType, event::EventKind, grant::Grant, id::ClientId},
    protocol::{
        capability::Capability,
        code_grant::{self, CodeSlot, Exchange, Redemption, invalid_grant},
        params::Params,
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
            let still = resource::still_allowed(&grant.resources, &call.client.resources)?;
            let narrowed = resource::narrowed(resources, &still)?;
            let found = found.into_iter().next().flatten().unwrap_or_default();
            issue_for(call, exchange.code, (*grant, narrowed), &found).await
        }
        Redemption::Replayed { owner } => {
            end_replayed(call, exchange.code, Some(owner)).await?;
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
                end_replayed(call, exchange.code, None).await?;
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
            end_replayed(call, code, Some(client)).await
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
    call.admit(&grant, Capability::Grant(GrantType::AuthorizationCode))
        .await?;
    let family = new_grant::family(call, &grant);
    let refresh_token = family
        .as_ref()
        .map(|_| call.ports.refresh_key.token(grant.id.as_str(), 0));
    let nonce = grant.owner.as_ref().and_then(|owner| owner.nonce.clone());
    let answer = prepare(
        call.ports,
        &call.sight,
        Issue {
            client: &call.client,
            // What the client may ask for can have shrunk since.
            grant: &grant.narrow(&call.client.scope, narrowed),
            refresh_token,
            nonce,
            cnf: call.cnf.clone(),
            now: call.now,
        },
    )
    .await?;
    match spend(call, code, &call.client.id).await? {
        Some(CodeSlot::Live(_)) => {}
        Some(CodeSlot::Spent { client }) => {
            end_replayed(call, code, Some(client)).await?;
            return Err(invalid_grant("the code was used before").into());
        }
        None => return Err(invalid_grant("the code is expired").into()),
    }
    let (stored, answered) = new_grant::write(call, &grant, family.as_ref(), &answer).await;
    match stored {
        Ok(true) => {}
        Ok(false) => {
            end_replayed(call, code, None).await?;
            return Err(invalid_grant("the code was redeemed before").into());
        }
        Err(error) => {
            give_back(call, code, record).await;
            return Err(error.into());
        }
    }
    answered?;
    let way = Capability::Grant(GrantType::AuthorizationCode);
    new_grant::look_again(call, &grant, way).await?;
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

/// Ends what came of the code, and what went through the browser beside it.
async fn end_replayed(call: &Call<'_>, code: &str, owner: Option<ClientId>) -> Result<(), Failure> {
    let foreign = owner.filter(|owner| *owner != call.client.id);
    let detail = foreign.map(|owner| serde_json::json!({ "issued_to": owner }));
    let mut grants = vec![code_grant::grant_id(code)];
    if call.client.grant_types.contains(&GrantType::Implicit) {
        let shown = code_grant::shown_grant_id(code);
        let record = call.ports.store.reader().grant(&shown).await?;
        grants.extend(record.is_some().then_some(shown));
    }
    for grant in &grants {
        let about = About {
            detail: detail.clone(),
            ..about_grant(call.client.id.clone(), grant)
        };
        let why = (EventKind::CodeReplayed, about);
        end_grant(call.ports, grant, &call.client, why, call.origin).await?;
    }
    Ok(())
}
