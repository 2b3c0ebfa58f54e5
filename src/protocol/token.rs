//! RFC 6749 §3.2, §5.1 — the token endpoint's request and response.
//!
//! One variant per grant; `password` and everything else unknown is `unsupported_grant_type`.

use serde::Serialize;

use super::{
    error::{ErrorCode, OAuthError},
    params::Params,
};
use crate::domain::{client::GrantType, scope::Scope};

/// A token request after the client is known.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenRequest {
    /// §4.1.3
    AuthorizationCode {
        /// `code`
        code: String,
        /// `redirect_uri`, as in the authorization request.
        redirect_uri: String,
        /// `code_verifier` (RFC 7636 §4.5)
        verifier: Option<String>,
        /// `resource` (RFC 8707)
        resources: Vec<String>,
    },
    /// §6
    RefreshToken {
        /// `refresh_token`
        token: String,
        /// `scope`: less than was granted, for this access token only.
        scope: Option<Scope>,
        /// `resource` (RFC 8707)
        resources: Vec<String>,
    },
    /// §4.4
    ClientCredentials {
        /// `scope`; everything allowed where absent.
        scope: Option<Scope>,
        /// `resource` (RFC 8707)
        resources: Vec<String>,
    },
}

impl TokenRequest {
    /// Reads a request whose parameters have no fault.
    pub fn parse(params: &Params) -> Result<Self, OAuthError> {
        if let Some(fault) = params.fault() {
            return Err(fault.into());
        }
        let grant_type = params
            .get("grant_type")
            .ok_or_else(|| missing("grant_type is missing"))?;
        let resources = params.all("resource").map(str::to_owned).collect();
        match grant_type.parse() {
            Ok(GrantType::AuthorizationCode) => Ok(Self::AuthorizationCode {
                code: required(params, "code", "code is missing")?,
                redirect_uri: params.get("redirect_uri").map(str::to_owned).ok_or(
                    OAuthError::new(ErrorCode::InvalidGrant, "redirect_uri is missing"),
                )?,
                verifier: params.get("code_verifier").map(str::to_owned),
                resources,
            }),
            Ok(GrantType::RefreshToken) => Ok(Self::RefreshToken {
                token: required(params, "refresh_token", "refresh_token is missing")?,
                scope: scope(params)?,
                resources,
            }),
            Ok(GrantType::ClientCredentials) => Ok(Self::ClientCredentials {
                scope: scope(params)?,
                resources,
            }),
            // The implicit grant does not come here (RFC 6749 §4.2).
            Ok(GrantType::Implicit) | Err(_) => Err(OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                "the grant_type is not supported",
            )
            .given(grant_type, GrantType::ALL)),
        }
    }

    /// Which grant it is.
    pub fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode { .. } => GrantType::AuthorizationCode,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
            Self::ClientCredentials { .. } => GrantType::ClientCredentials,
        }
    }
}

fn required(params: &Params, name: &str, description: &'static str) -> Result<String, OAuthError> {
    params
        .get(name)
        .map(str::to_owned)
        .ok_or_else(|| missing(description))
}

fn missing(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

fn scope(params: &Params) -> Result<Option<Scope>, OAuthError> {
    params
        .get("scope")
        .map(str::parse)
        .transpose()
        .map_err(|_| {
            OAuthError::new(
                ErrorCode::InvalidScope,
                "the scope is malformed or too long",
            )
        })
}

/// A successful answer (§5.1, OIDC Core §3.1.3.3).
#[derive(Serialize)]
pub struct TokenResponse {
    /// `access_token`
    pub access_token: String,
    /// `token_type`
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// What was granted.
    pub scope: Scope,
    /// `id_token`, where `openid` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// `refresh_token`, where `offline_access` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// The `token` that a request to introspection or revocation is about (RFC 7009 §2.1, RFC 7662 §2.1).
pub fn subject_of(params: &Params) -> Result<&str, OAuthError> {
    if let Some(fault) = params.fault() {
        return Err(fault.into());
    }
    params
        .get("token")
        .ok_or_else(|| missing("token is missing"))
}
