//! RFC 8707 — Resource Indicators. Absolute URIs without fragment, within what the client
//! registered and, when a token is asked for, within what was granted.

use std::collections::BTreeSet;

use url::Url;

use super::{
    error::{ErrorCode, OAuthError},
    params::Params,
};

/// Resources at most in one request.
const MAX_RESOURCES: usize = 8;

/// Reads the `resource` parameters and checks them against those that are `allowed`.
pub fn requested(params: &Params, allowed: &BTreeSet<String>) -> Result<Vec<String>, OAuthError> {
    let mut resources = Vec::new();
    for resource in params.all("resource") {
        if !is_indicator(resource)
            || !allowed.contains(resource)
            || resources.len() == MAX_RESOURCES
        {
            return Err(OAuthError::new(
                ErrorCode::InvalidTarget,
                "the resource is unknown or not allowed",
            )
            .given(resource, allowed));
        }
        if !resources.iter().any(|known| known == resource) {
            resources.push(resource.to_owned());
        }
    }
    Ok(resources)
}

/// The resources of one token: those asked for, which must be among those granted; all of them
/// where none is asked for (§2.2).
pub fn narrowed(asked: &[String], granted: &[String]) -> Result<Vec<String>, OAuthError> {
    if asked.iter().any(|resource| !granted.contains(resource)) {
        return Err(
            OAuthError::new(ErrorCode::InvalidTarget, "the resource was not granted")
                .given(asked.join(" "), granted),
        );
    }
    Ok(if asked.is_empty() {
        granted.to_vec()
    } else {
        asked.to_vec()
    })
}

/// The granted resources that the client may still ask for: what it is registered for can shrink after a
/// grant. Of a grant for nothing else there is no token, least of all one for the default audience.
pub fn still_allowed(
    granted: &[String],
    allowed: &BTreeSet<String>,
) -> Result<Vec<String>, OAuthError> {
    let left: Vec<String> = granted
        .iter()
        .filter(|resource| allowed.contains(*resource))
        .cloned()
        .collect();
    if left.is_empty() && !granted.is_empty() {
        return Err(OAuthError::new(
            ErrorCode::InvalidTarget,
            "the client may not ask for the granted resources any more",
        )
        .given(granted.join(" "), allowed));
    }
    Ok(left)
}

/// Whether a text is an absolute URI without fragment (§2).
pub fn is_indicator(text: &str) -> bool {
    !text.contains('#') && Url::parse(text).is_ok()
}
