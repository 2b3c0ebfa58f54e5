//! Who the user of a first-party application is.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    application::{
        Failure, Ports,
        access::{self, LiveToken},
    },
    domain::user::User,
    protocol::error::{ErrorCode, OAuthError},
};

/// The user of an access token, and the roles that its client may name.
pub struct Me {
    /// Who.
    pub user: Arc<User>,
    /// What roles.
    pub roles: BTreeSet<String>,
}

/// Reads the token of a first-party application.
pub async fn me(ports: &Ports, access_token: &str) -> Result<Me, Failure> {
    let live = live(ports, access_token).await?;
    let user = live.user.ok_or_else(invalid)?;
    let (_, sight) = ports.directory.look(&[]).await?;
    let authority = sight.authority(&user.id).await?;
    Ok(Me {
        roles: live.client.rights.named(&authority.roles),
        user,
    })
}

/// A token that is good here and of a client that may log in.
pub(in crate::application) async fn live(
    ports: &Ports,
    access_token: &str,
) -> Result<LiveToken, Failure> {
    let (live, _) = access::bring(ports, access_token).await?;
    let live = live.ok_or_else(invalid)?;
    let is_for_us = live.claims.aud.contains(ports.settings.issuer.as_str());
    if !is_for_us || !live.client.rights.may_log_in() || live.user.is_none() {
        return Err(invalid().into());
    }
    Ok(live)
}

fn invalid() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidToken,
        "the access token is invalid, expired or revoked",
    )
}
