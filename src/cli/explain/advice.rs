//! What an operator can do about a refusal, by the check that failed, else by the error's code.

/// By words in the name of the check or in what is told of it, the particular before the general.
const BY_CHECK: &[(&str, &str)] = &[
    (
        "redirect_uri",
        "Register the address exactly as the application sends it (scheme, host, port, path and query \
         count), or mend the application: countersign client show.",
    ),
    (
        "code_verifier",
        "The application must send the verifier of the challenge that it began with, from the same tab \
         or session.",
    ),
    (
        "code_challenge",
        "The application must use PKCE with S256, or its registration must not ask for it.",
    ),
    (
        "pkce",
        "The application must use PKCE with S256 and send the verifier that belongs to the challenge.",
    ),
    (
        "client_assertion",
        "Compare the assertion's iss, sub, aud and times with what is registered, the clocks of both \
         machines, and the keys in the client's JWK Set.",
    ),
    (
        "secret",
        "The client sent another secret than the registered one; give it a new one: countersign client \
         rotate-secret.",
    ),
    (
        "authentication",
        "Compare how the client authenticates with the method that it is registered for: countersign \
         client show.",
    ),
    (
        "client is unknown",
        "No active client has this client_id: compare with countersign client list.",
    ),
    (
        "client_id",
        "Compare the client_id with countersign client list.",
    ),
    (
        "scope",
        "Register the scope for the client, or let the application ask for less.",
    ),
    (
        "resource",
        "Register the resource and allow it for the client: countersign resource.",
    ),
    (
        "refresh",
        "The refresh token was used before, has expired or was revoked: the application must store each \
         new one and the user must log in again.",
    ),
    (
        "code",
        "The code was used before, has expired or belongs to another client: the application must start \
         over, and redeem each code once, at once.",
    ),
    (
        "login limited",
        "Wait until the window is over, or let the account try again at once: countersign user unlock.",
    ),
    (
        "login failed",
        "The name or the password was wrong, or the account is disabled: countersign user show.",
    ),
];

const BY_CODE: &[(&str, &str)] = &[
    (
        "invalid_client",
        "Compare client_id, secret and authentication method with countersign client show.",
    ),
    (
        "invalid_grant",
        "The code or refresh token is spent, expired, revoked or another client's: the application must \
         start over.",
    ),
    (
        "unauthorized_client",
        "Allow the grant or response type in the client's registration.",
    ),
    (
        "unsupported_grant_type",
        "The server does not offer this grant type; see its discovery document.",
    ),
    (
        "unsupported_response_type",
        "Allow the response type in the client's registration, or use response_type=code.",
    ),
    (
        "invalid_scope",
        "Register the scope for the client, or let the application ask for less.",
    ),
    (
        "invalid_target",
        "Register the resource and allow it for the client: countersign resource.",
    ),
    (
        "access_denied",
        "The user or a rule said no; nothing is broken.",
    ),
    (
        "login_required",
        "The application asked without any page (prompt=none) and nobody is logged in; it must ask again \
         with one.",
    ),
    (
        "consent_required",
        "The application asked without any page (prompt=none) and the user has not consented; it must \
         ask again with one.",
    ),
    (
        "invalid_token",
        "The access token is expired, revoked or not of this issuer: the application must refresh.",
    ),
    (
        "insufficient_scope",
        "The access token lacks a scope that the endpoint needs.",
    ),
    (
        "temporarily_unavailable",
        "The server or something that it needs was busy or away: see /health/ready and /metrics.",
    ),
    (
        "server_error",
        "A fault of the server or of something that it needs: the lines below name it.",
    ),
    (
        "invalid_request",
        "The request breaks the protocol: mend the application as the description says.",
    ),
];

/// The advice for a refusal: `check` names it, `told` is the text of the error.
pub(super) fn advice(check: Option<&str>, told: &str) -> Option<&'static str> {
    let find = |table: &[(&str, &'static str)], text: &str| {
        let hit = table.iter().find(|(word, _)| text.contains(word));
        hit.map(|(_, advice)| *advice)
    };
    let by_check = check.and_then(|check| find(BY_CHECK, check));
    let code = told.split(':').next().unwrap_or_default();
    by_check
        .or_else(|| {
            let of_code = BY_CODE.iter().find(|(name, _)| *name == code);
            of_code.map(|(_, advice)| *advice)
        })
        .or_else(|| find(BY_CHECK, told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::ErrorCode;

    #[test]
    fn every_code_with_advice_exists_and_those_of_rfc_6749_have_some() {
        let exists = |name: &str| ErrorCode::ALL.iter().any(|code| code.as_str() == name);
        assert!(BY_CODE.iter().all(|(name, _)| exists(name)));
        for code in [
            ErrorCode::InvalidRequest,
            ErrorCode::InvalidClient,
            ErrorCode::InvalidGrant,
            ErrorCode::UnauthorizedClient,
            ErrorCode::UnsupportedGrantType,
            ErrorCode::InvalidScope,
            ErrorCode::UnsupportedResponseType,
            ErrorCode::AccessDenied,
            ErrorCode::ServerError,
            ErrorCode::TemporarilyUnavailable,
        ] {
            let told = format!("{}: why", code.as_str());
            assert!(advice(None, &told).is_some(), "{told}");
        }
    }

    #[test]
    fn the_check_is_more_particular_than_the_code() {
        let told = "invalid_grant: the code is not valid";
        assert_ne!(advice(Some("code_verifier"), told), advice(None, told));
        assert!(advice(None, "redirect_uri is not registered").is_some());
        assert!(advice(Some("moon"), "phase").is_none());
    }
}
