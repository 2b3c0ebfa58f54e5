//! RFC 7009 — OAuth 2.0 Token Revocation.
//!
//! A refresh token takes its whole grant with it; an access token goes alone (§2.1). A token that
//! does not exist is answered with 200 (§2.2), another client's with 400.

use super::error::{ErrorCode, OAuthError};

/// The answer to a client that would revoke what is not its own (§2.1).
pub fn foreign_token() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidRequest,
        "the token was not issued to this client",
    )
}
