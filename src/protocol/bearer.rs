//! RFC 6750 — Bearer Token Usage, at the endpoints of ours that take access tokens.
//!
//! Supported: the `Authorization` header (§2.1) and the form body (§2.2). Refused: the query (§2.3,
//! RFC 9700 §4.3.2) and more than one of them at once.

use super::{
    error::{ErrorCode, OAuthError},
    params::Params,
};

/// A request's access token, from the one place that has it.
pub fn token<'a>(
    authorization: Option<&'a [u8]>,
    body: &'a Params,
    query: &Params,
) -> Result<Option<&'a str>, OAuthError> {
    if query.get("access_token").is_some() || query.is_faulty("access_token") {
        return Err(invalid_request(
            "an access token must not be sent in the URL",
        ));
    }
    if let Some(fault) = body.fault() {
        return Err(fault.into());
    }
    let header = authorization.map(from_header).transpose()?;
    match (header, body.get("access_token")) {
        (Some(_), Some(_)) => Err(invalid_request("more than one access token")),
        (Some(token), None) | (None, Some(token)) => Ok(Some(token)),
        (None, None) => Ok(None),
    }
}

/// The token of an `Authorization` header (§2.1).
pub fn from_header(header: &[u8]) -> Result<&str, OAuthError> {
    let malformed = || OAuthError::new(ErrorCode::InvalidToken, "the access token is malformed");
    let header = std::str::from_utf8(header).map_err(|_| malformed())?;
    let (scheme, token) = header.split_once(' ').ok_or_else(malformed)?;
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer")
        || token.is_empty()
        || !token.bytes().all(is_token_byte)
    {
        return Err(malformed());
    }
    Ok(token)
}

/// `b64token` of §2.1.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// The `WWW-Authenticate` value for an error (§3).
pub fn challenge(error: Option<&OAuthError>) -> String {
    match error {
        None => "Bearer realm=\"countersign\"".to_owned(),
        Some(error) => format!(
            "Bearer realm=\"countersign\", error=\"{}\", error_description=\"{}\"",
            error.code.as_str(),
            error.description
        ),
    }
}

/// The `WWW-Authenticate` value for a token that does not enable what is asked, with the scope value that
/// would (§3, §3.1).
pub fn insufficient_scope(scope: Option<&str>) -> String {
    let scope = scope.map_or(String::new(), |scope| format!(", scope=\"{scope}\""));
    format!("Bearer realm=\"countersign\", error=\"insufficient_scope\"{scope}")
}

fn invalid_request(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}
