//! Ending grants: for good in SQL, at once in the state store (RFC 7009 §2.1, RFC 6749 §4.1.2).
//!
//! The mark in the state store saves every request the question to the database; it lives as long as
//! an access token of the grant could. The refresh family goes with it: it is named after its grant.

use std::time::Duration;

use crate::{
    application::{
        Failure, Ports,
        directory::Sight,
        ports::{
            RevokedGrant,
            state::{Kind, StateError, StateKey},
        },
        trail::{About, Origin},
    },
    domain::{
        client::Client,
        event::EventKind,
        id::{ClientId, GrantId, UserId},
    },
};

/// Longer than the clocks of nodes and store are apart.
const MARGIN: Duration = Duration::from_mins(2);

/// Where the state store says that a grant was ended.
pub fn mark(grant: &GrantId) -> StateKey {
    StateKey::new(Kind::RevokedToken, &format!("grant\0{grant}"))
}

/// The refresh family of a grant.
pub fn family_key(grant: &str) -> StateKey {
    StateKey::new(Kind::RefreshFamily, grant)
}

/// Ends a grant and everything that stands on it.
pub(super) async fn end_grant(
    ports: &Ports,
    grant: &GrantId,
    client: &Client,
    (why, about): (EventKind, About),
    origin: &Origin,
) -> Result<(), Failure> {
    let work = ports.store.begin().await?;
    let revoked = work
        .revoke_grant(grant, &client.id, ports.clock.now())
        .await?;
    if revoked {
        ports.record_in(&*work, why, origin, about.clone()).await?;
    }
    if revoked && why != EventKind::GrantRevoked {
        ports
            .record_in(
                &*work,
                EventKind::GrantRevoked,
                origin,
                about_grant(client.id.clone(), grant),
            )
            .await?;
    }
    put_out(ports, grant, ports.settings.access_token_lifetime(client)).await?;
    work.commit().await?;
    if !revoked {
        // It was over before: whoever tries again and again changes nothing.
        ports.refused(why, origin, about).await?;
    }
    Ok(())
}

/// Ends a grant of this user, whatever stands on it; false if there is none.
pub async fn end_grant_of_user(
    ports: &Ports,
    user: &UserId,
    grant: &GrantId,
    origin: &Origin,
) -> Result<bool, Failure> {
    let record = ports.store.reader().grant(grant).await?;
    let of_user = record.filter(|record| {
        let owner = record.grant.owner.as_ref();
        owner.is_some_and(|owner| owner.subject == *user)
    });
    let Some(record) = of_user else {
        return Ok(false);
    };
    let (_, sight) = ports.directory.look(&[]).await?;
    let Some(client) = sight.client(&record.grant.client).await? else {
        return Ok(false);
    };
    let about = About {
        user: Some(user.clone()),
        ..about_grant(client.id.clone(), grant)
    };
    let why = (EventKind::GrantRevoked, about);
    end_grant(ports, grant, &client, why, origin).await?;
    Ok(true)
}

/// Marks grants as ended that a unit of work is about to revoke. Before its commit, so that an answer
/// is never given while one of them still works.
pub(super) async fn put_out_all(
    ports: &Ports,
    sight: &Sight<'_>,
    grants: &[RevokedGrant],
) -> Result<(), Failure> {
    for grant in grants {
        let client = sight.client(&grant.client).await?;
        let lifetime = client.map_or(ports.settings.lifetimes.access_token, |client| {
            ports.settings.access_token_lifetime(&client)
        });
        put_out(ports, &grant.id, lifetime).await?;
    }
    Ok(())
}

async fn put_out(ports: &Ports, grant: &GrantId, lifetime: Duration) -> Result<(), StateError> {
    let ttl = lifetime.saturating_add(MARGIN);
    ports.state.put(&mark(grant), b"1", ttl).await?;
    ports.state.delete(&family_key(grant.as_str())).await?;
    Ok(())
}

/// An event about this grant of this client.
pub(super) fn about_grant(client: ClientId, grant: &GrantId) -> About {
    About {
        client: Some(client),
        grant: Some(grant.clone()),
        ..About::default()
    }
}
