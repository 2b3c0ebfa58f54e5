//! OAuth 2.0 Multiple Response Type Encoding Practices §5, OIDC Core §3.2.2.5, §3.3.2.5 — what an
//! authorization response carries besides `state` and `iss`.

use std::time::Duration;

use crate::domain::scope::Scope;

/// The parts that the response type asked for.
#[derive(Debug, Default)]
pub struct AuthorizationResponse {
    /// `code`
    pub code: Option<String>,
    /// `id_token`
    pub id_token: Option<String>,
    /// `session_state` (OIDC Session Management §2)
    pub session_state: Option<String>,
    /// `access_token` and what belongs to it.
    pub access: Option<ShownToken>,
}

/// An access token that travels through the browser. There is never a refresh token beside it
/// (RFC 6749 §4.2.2).
#[derive(Debug)]
pub struct ShownToken {
    /// `access_token`
    pub value: String,
    /// Until it expires.
    pub lifetime: Duration,
    /// What it allows.
    pub scope: Scope,
}

impl AuthorizationResponse {
    /// Names and values.
    pub fn fields(self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        fields.extend(self.code.map(|code| ("code", code)));
        if let Some(access) = self.access {
            fields.push(("access_token", access.value));
            fields.push(("token_type", "Bearer".to_owned()));
            fields.push(("expires_in", access.lifetime.as_secs().to_string()));
            fields.push(("scope", access.scope.to_string()));
        }
        fields.extend(self.id_token.map(|token| ("id_token", token)));
        fields.extend(self.session_state.map(|state| ("session_state", state)));
        fields
    }
}
