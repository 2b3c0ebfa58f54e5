//! One gate for every grant type: may this user, client and grant receive a token now?
//!
//! Most published weaknesses of providers are a check that stands in one path and is missing in its
//! sibling, so no path checks any of this by itself (RFC 6749 §5.2, RFC 9700 §4.14.2).

use super::{
    access_token::AccessToken,
    capability::{Capability, Features},
    client_auth::rejected,
    code_grant::invalid_grant,
    error::{ErrorCode, OAuthError},
};
use crate::domain::{
    client::{Client, GrantType},
    grant::{Grant, GrantRecord},
    time::Timestamp,
    user::User,
};

/// Everything that the answer depends on. For a client's own grant there is neither user nor record.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// The way that is being used: a grant type, or the JSON login.
    pub way: Capability,
    /// What the server offers.
    pub features: &'a Features,
    /// The authenticated client.
    pub client: &'a Client,
    /// What was granted.
    pub grant: &'a Grant,
    /// The grant's life, once it was redeemed.
    pub record: Option<&'a GrantRecord>,
    /// The user of the grant, if one was found.
    pub user: Option<&'a User>,
}

/// Whether the client may use this way to tokens at all (RFC 6749 §5.2).
pub fn may_use(client: &Client, way: Capability, features: &Features) -> Result<(), OAuthError> {
    if !client.is_active() {
        return Err(rejected("the client is inactive"));
    }
    // An old registration may have an identifier that could be a user's `sub` (RFC 9700 §4.15).
    if way == Capability::Grant(GrantType::ClientCredentials) && client.id.has_form_of_user() {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "a client whose identifier looks like a user's cannot act for itself",
        ));
    }
    if !features.allows(way) {
        return Err(OAuthError::new(
            ErrorCode::UnsupportedGrantType,
            "the grant_type is not supported",
        )
        .given_only(way));
    }
    if !client.allows(way) {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "the client may not use this grant_type",
        )
        .given(way, &client.grant_types));
    }
    Ok(())
}

/// Whether a token may be issued at `now`.
pub fn may_receive(admission: &Admission<'_>, now: Timestamp) -> Result<(), OAuthError> {
    may_use(admission.client, admission.way, admission.features)?;
    is_alive(admission.grant, admission.client, admission.user)?;
    match admission.record {
        Some(record) if record.revoked_at.is_some() => Err(invalid_grant("the grant is revoked")),
        Some(record) if record.expires_at <= now => Err(invalid_grant("the grant is expired")),
        Some(_) | None => Ok(()),
    }
}

/// Whether an access token is still honored by what is known of its client and user now.
pub fn honors(token: &AccessToken, client: &Client, user: Option<&User>) -> bool {
    if !client.is_active() || token.client_id != client.id || token.iat <= client.not_before {
        return false;
    }
    if token.is_of_client_itself() {
        return true;
    }
    let (Some(user), Some(login)) = (user, token.auth_time) else {
        return false;
    };
    user.id.as_str() == token.sub && user.honors(login, token.account_version)
}

/// Whether a grant still stands when a token is asked for.
pub fn is_alive(grant: &Grant, client: &Client, user: Option<&User>) -> Result<(), OAuthError> {
    if !client.is_active() || grant.client != client.id {
        return Err(invalid_grant(
            "the client is inactive or not the one of the grant",
        ));
    }
    if grant.granted_at <= client.not_before {
        return Err(invalid_grant(
            "the grant is older than the client's not-before",
        ));
    }
    let Some(owner) = &grant.owner else {
        return Ok(());
    };
    let user = user.ok_or_else(|| invalid_grant("the user does not exist"))?;
    if user.id != owner.subject || !user.is_active() {
        return Err(invalid_grant("the user is inactive"));
    }
    let login = &owner.authentication;
    if !user.honors(login.time, login.version) {
        return Err(invalid_grant(
            "the login is from before the user's sessions were ended",
        ));
    }
    Ok(())
}
