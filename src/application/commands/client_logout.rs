//! Where a client is told that a session has ended (OIDC Front-Channel Logout §2, OIDC Back-Channel
//! Logout §2.2).

use url::Url;

use super::edit_client::Change;
use crate::{
    application::registrar::RegistrarError,
    domain::{client::Client, profile},
};

const FRONT: &str = "frontchannel_logout_uri";
const BACK: &str = "backchannel_logout_uri";

/// Applies changes to both addresses.
pub(super) fn apply(
    client: &mut Client,
    front: Change<String>,
    back: Change<String>,
) -> Result<(), RegistrarError> {
    if let Change::Set(text) = &back {
        address(BACK, text)?;
    }
    back.apply(&mut client.logout.backchannel_uri);
    front.apply(&mut client.logout.frontchannel_uri);
    // The redirection URIs can have changed as well.
    if let Some(text) = &client.logout.frontchannel_uri {
        let origin = address(FRONT, text)?.origin();
        let mut redirects = client.redirect_uris.iter();
        let is_own =
            redirects.any(|uri| Url::parse(uri.as_str()).is_ok_and(|uri| uri.origin() == origin));
        if !is_own {
            let problem = "must have scheme, host and port of a redirect URI";
            return Err(RegistrarError::invalid(FRONT, problem));
        }
    }
    Ok(())
}

fn address(field: &'static str, text: &str) -> Result<Url, RegistrarError> {
    let parsed = profile::url(text)
        .ok()
        .and_then(|text| Url::parse(&text).ok());
    parsed
        .filter(|url| url.fragment().is_none())
        .ok_or_else(|| {
            let problem =
                "must be an https address without a user and a fragment, at most 2000 bytes long";
            RegistrarError::invalid(field, problem)
        })
}
