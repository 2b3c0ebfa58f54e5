//! RFC 7662 — OAuth 2.0 Token Introspection.
//!
//! Supported: access tokens of both formats and refresh tokens. A token that is unknown, dead, or
//! none of the caller's business is `{"active": false}` and nothing more (§2.2, §4).

use std::sync::Arc;

use serde::Serialize;

use super::{access_token::AccessToken, refresh::Family};
use crate::domain::{client::Client, resource::ResourceServer};

/// What is answered (§2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Introspection {
    /// A live access token.
    AccessToken {
        /// Always true.
        active: bool,
        /// `Bearer`
        token_type: &'static str,
        /// Everything that the token says.
        #[serde(flatten)]
        claims: Box<AccessToken>,
    },
    /// A live refresh token.
    RefreshToken {
        /// Always true.
        active: bool,
        /// What it stands for.
        scope: String,
        /// Whose it is.
        client_id: String,
        /// Of which user.
        #[serde(skip_serializing_if = "Option::is_none")]
        sub: Option<String>,
        /// Until when at most.
        exp: i64,
    },
    /// Anything else.
    Inactive {
        /// Always false.
        active: bool,
    },
}

impl Introspection {
    /// The answer that says nothing.
    pub const INACTIVE: Self = Self::Inactive { active: false };

    /// The answer for a live access token.
    pub fn access_token(claims: AccessToken) -> Self {
        Self::AccessToken {
            active: true,
            token_type: "Bearer",
            claims: Box::new(claims),
        }
    }

    /// The answer for a live refresh token.
    pub fn refresh_token(family: &Family) -> Self {
        Self::RefreshToken {
            active: true,
            scope: family.grant.scope.to_string(),
            client_id: family.grant.client.to_string(),
            sub: family.grant.subject().map(ToString::to_string),
            exp: family.idle_until.0,
        }
    }
}

/// Whether `caller` may learn about an access token: it is its own, or one for an API that the
/// caller speaks for (RFC 7662 §4).
pub fn may_learn(caller: &Client, token: &AccessToken, audience: &[Arc<ResourceServer>]) -> bool {
    token.client_id == caller.id
        || audience.iter().any(|api| {
            api.introspection_client.as_ref() == Some(&caller.id)
                && token.aud.contains(&api.identifier)
        })
}
