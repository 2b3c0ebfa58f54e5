//! OIDC Core §6, RFC 9101 — authorization requests as JWTs, by value and by reference.
//!
//! What the object says wins over what stands beside it (OIDC Core §6.3.3); `client_id` and
//! `response_type` beside it must be the same (§6.1). An object without a signature is taken only
//! of a client that registered `none` (RFC 9101 §10.1). Objects are not kept, so the fragment of an address, by
//! which clients tell servers that keep them of a change (§6.2), has nothing to say here: addresses are
//! compared with it.

use serde_json::{Map, Value};

use super::{
    error::{ErrorCode, OAuthError},
    issuer::Issuer,
    params::Params,
};
use crate::domain::{algorithm::TokenAlgorithm, client::Client, time::Timestamp};

/// Claims of the JWT itself, which are no parameters.
const OF_THE_JWT: &[&str] = &["iss", "aud", "exp", "nbf", "iat", "jti", "sub"];
/// Parameters that must not stand inside (§6.1).
const FORBIDDEN: &[&str] = &["request", "request_uri"];
/// How far the client's clock may be ahead, seconds.
const SKEW: i64 = 60;

/// Where a request object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// Here.
    Value(&'a str),
    /// At this address, which is registered.
    Uri(&'a str),
}

/// The object that a request comes with, if this client may send it.
pub fn reference<'a>(
    params: &'a Params,
    client: &Client,
) -> Result<Option<Reference<'a>>, OAuthError> {
    match (params.get("request"), params.get("request_uri")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "request and request_uri cannot be combined",
        )),
        (Some(_), None) if !may_secure(client) => Err(OAuthError::new(
            ErrorCode::RequestNotSupported,
            "the client has no keys for request objects",
        )),
        (Some(object), None) => Ok(Some(Reference::Value(object))),
        (None, Some(_)) if client.request_objects.uris.is_empty() => Err(OAuthError::new(
            ErrorCode::RequestUriNotSupported,
            "the client has no request_uri registered",
        )),
        (None, Some(uri)) if client.request_objects.uris.contains(uri) => {
            Ok(Some(Reference::Uri(uri)))
        }
        (None, Some(_)) => Err(invalid_uri("the request_uri is not registered")),
    }
}

/// Whether the client has what secures an object, or registered that nothing does.
fn may_secure(client: &Client) -> bool {
    match client.request_objects.algorithm {
        Some(TokenAlgorithm::Mac(_) | TokenAlgorithm::None) => true,
        Some(TokenAlgorithm::Signature(_)) | None => client.key_source().is_some(),
    }
}

/// Whether an object has the five parts of an encrypted one (RFC 7516 §9).
pub fn is_encrypted(object: &str) -> bool {
    object.bytes().filter(|byte| *byte == b'.').count() == 4
}

/// The request that `claims` of a verified object make of the parameters beside it.
pub fn merged(
    params: &Params,
    claims: &Map<String, Value>,
    client: &Client,
    (issuer, now): (&Issuer, Timestamp),
) -> Result<Params, OAuthError> {
    check_jwt(claims, client, (issuer, now))?;
    for name in ["client_id", "response_type"] {
        let inside = claims.get(name).and_then(Value::as_str);
        let beside = params.get(name);
        if inside
            .zip(beside)
            .is_some_and(|(inside, beside)| inside != beside)
        {
            return Err(invalid(
                "client_id or response_type differ inside and beside the object",
            ));
        }
    }
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in params.pairs() {
        if !claims.contains_key(name) && !FORBIDDEN.contains(&name) {
            form.append_pair(name, value);
        }
    }
    for (name, value) in claims {
        if !OF_THE_JWT.contains(&name.as_str()) {
            for text in texts(value) {
                form.append_pair(name, &text);
            }
        }
    }
    Ok(Params::parse(form.finish().as_bytes()))
}

/// What the JWT says about itself (RFC 9101 §4, §6.3).
fn check_jwt(
    claims: &Map<String, Value>,
    client: &Client,
    (issuer, now): (&Issuer, Timestamp),
) -> Result<(), OAuthError> {
    if FORBIDDEN.iter().any(|name| claims.contains_key(*name)) {
        return Err(invalid("a request object contains another"));
    }
    let is_it = |value: &Value, text: &str| value.as_str() == Some(text);
    // That would be an assertion (RFC 9101 §10.8).
    if claims.contains_key("sub") {
        return Err(invalid("a request object has no subject"));
    }
    if claims
        .get("iss")
        .is_some_and(|iss| !is_it(iss, client.id.as_str()))
    {
        return Err(invalid(
            "the issuer of the request object is not the client",
        ));
    }
    let is_ours = |aud: &Value| match aud {
        Value::Array(values) => values.iter().any(|value| is_it(value, issuer.as_str())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            is_it(aud, issuer.as_str())
        }
    };
    if claims.get("aud").is_some_and(|aud| !is_ours(aud)) {
        return Err(invalid("the request object is not for this server"));
    }
    let date = |name: &str| claims.get(name).and_then(Value::as_i64);
    if date("exp").is_some_and(|exp| exp <= now.0) {
        return Err(invalid("the request object is expired"));
    }
    if date("nbf").is_some_and(|nbf| nbf > now.0 + SKEW) {
        return Err(invalid("the request object is not valid yet"));
    }
    Ok(())
}

/// A member as parameters: objects as their JSON, arrays as one parameter each (RFC 8707).
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => vec![value.to_string()],
    }
}

/// An object that cannot be believed.
pub fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequestObject, description)
}

/// An address that brings no object.
pub fn invalid_uri(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequestUri, description)
}
