//! A grant that is being made: everything of it is written, and then it is looked at once more.

use std::time::Duration;

use super::{Call, admit};
use crate::{
    application::{
        Failure,
        commands::{
            end_grant::{self, about_grant, end_grant, family_key},
            end_session, withdraw_consent,
        },
        issue::Prepared,
        ports::{Entry, StoreError},
        state,
        trail::About,
    },
    domain::{client::GrantType, event::EventKind, grant::Grant, id::GrantId},
    protocol::{capability::Capability, code_grant::invalid_grant, refresh::Family},
};

/// The family of refresh tokens that begins with the grant, if one does.
pub(super) fn family(call: &Call<'_>, grant: &Grant) -> Option<Family> {
    starts_family(call, grant).then(|| {
        let policy = call.ports.settings.refresh_policy(&call.client);
        Family::new(without_nonce(grant), &policy, call.now).in_epoch(call.sight.epoch())
    })
}

/// Writes the grant, its family and an opaque token at once. Whether the grant is new, and what came
/// of the rest.
pub(super) async fn write(
    call: &Call<'_>,
    grant: &Grant,
    family: Option<&Family>,
    answer: &Prepared,
) -> (Result<bool, StoreError>, Result<(), Failure>) {
    let (stored, written, answered) = tokio::join!(
        store_grant(call, grant, family.is_some()),
        store_family(call, &grant.id, family),
        answer.store(call.ports),
    );
    (stored, written.and(answered.map_err(Failure::from)))
}

/// Makes the grant exist. False if it was redeemed before: the final single-use gate, which holds
/// even if the state store forgot.
pub(in crate::application::commands) async fn store_grant(
    call: &Call<'_>,
    grant: &Grant,
    has_family: bool,
) -> Result<bool, StoreError> {
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
    let ttl = family.idle_until.since(call.now);
    let key = family_key(grant.as_str());
    Ok(state::put_record(&*call.ports.state, &key, family, ttl).await?)
}

/// What ended while the grant was being made ends the grant as well (security.md 136).
pub(in crate::application::commands) async fn look_again(
    call: &Call<'_>,
    grant: &Grant,
    way: Capability,
) -> Result<(), Failure> {
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
            admit(call.ports, seen, grant, way, call.now).await
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
