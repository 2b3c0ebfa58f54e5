//! Public keys of a client, and what they sign: assertions and request objects (RFC 7591 §2, OIDC
//! Registration §2).

use serde_json::json;

use super::edit_client::{Change, ClientEdit};
use crate::{
    application::registrar::{Registrar, RegistrarError},
    domain::{
        client::{AssertionAudience, Client, ClientAuthentication},
        profile,
    },
};

/// Addresses of request objects at most.
const MOST_URIS: usize = 20;

/// Applies what the edit says about keys.
pub(super) fn apply(
    registrar: &Registrar,
    client: &mut Client,
    edit: &mut ClientEdit,
) -> Result<(), RegistrarError> {
    by_value(registrar, client, edit)?;
    by_address(client, std::mem::take(&mut edit.jwks_uri))?;
    audience(client, edit.assertion_audience.take())?;
    if let Some(uris) = edit.request_uris.take() {
        if uris.len() > MOST_URIS {
            return Err(RegistrarError::invalid("request_uris", "are too many"));
        }
        for uri in &uris {
            check_address("request_uris", uri)?;
        }
        client.request_objects.uris = uris.into_iter().collect();
    }
    std::mem::take(&mut edit.request_object_algorithm).apply(&mut client.request_objects.algorithm);
    std::mem::take(&mut edit.userinfo_algorithm).apply(&mut client.userinfo_algorithm);
    Ok(())
}

fn by_value(
    registrar: &Registrar,
    client: &mut Client,
    edit: &mut ClientEdit,
) -> Result<(), RegistrarError> {
    let Some(jwks) = edit.jwks.take() else {
        return Ok(());
    };
    (registrar.check_jwks)(&jwks).map_err(|problem| RegistrarError::invalid("jwks", problem))?;
    client.keys.jwks_uri = None;
    match &mut client.authentication {
        ClientAuthentication::PrivateKeyJwt { jwks: known, .. } => *known = jwks,
        ClientAuthentication::None
        | ClientAuthentication::ClientSecretBasic { .. }
        | ClientAuthentication::ClientSecretPost { .. } => client.keys.jwks = Some(jwks),
    }
    Ok(())
}

fn by_address(client: &mut Client, change: Change<String>) -> Result<(), RegistrarError> {
    if let Change::Set(uri) = &change {
        check_address("jwks_uri", uri)?;
        // One or the other (RFC 7591 §2).
        client.keys.jwks = None;
        if let ClientAuthentication::PrivateKeyJwt { jwks, .. } = &mut client.authentication {
            *jwks = json!({ "keys": [] });
        }
    }
    let was_unset = change == Change::Unset;
    change.apply(&mut client.keys.jwks_uri);
    let has_none = match &client.authentication {
        ClientAuthentication::PrivateKeyJwt { jwks, .. } => *jwks == json!({ "keys": [] }),
        ClientAuthentication::None
        | ClientAuthentication::ClientSecretBasic { .. }
        | ClientAuthentication::ClientSecretPost { .. } => false,
    };
    if was_unset && has_none {
        let problem = "private_key_jwt needs the public keys: give jwks";
        return Err(RegistrarError::invalid("jwks_uri", problem));
    }
    Ok(())
}

fn audience(client: &mut Client, wanted: Option<AssertionAudience>) -> Result<(), RegistrarError> {
    match &mut client.authentication {
        ClientAuthentication::PrivateKeyJwt { audience, .. } => {
            *audience = wanted.unwrap_or(*audience);
            Ok(())
        }
        ClientAuthentication::None
        | ClientAuthentication::ClientSecretBasic { .. }
        | ClientAuthentication::ClientSecretPost { .. }
            if wanted.is_some_and(|it| it != AssertionAudience::Issuer) =>
        {
            let problem = "is only for private_key_jwt";
            Err(RegistrarError::invalid("assertion_audience", problem))
        }
        ClientAuthentication::None
        | ClientAuthentication::ClientSecretBasic { .. }
        | ClientAuthentication::ClientSecretPost { .. } => Ok(()),
    }
}

fn check_address(field: &'static str, text: &str) -> Result<(), RegistrarError> {
    let problem = "must be an https address without a user, at most 2000 bytes long";
    let checked = profile::url(text);
    checked
        .map(drop)
        .map_err(|_| RegistrarError::invalid(field, problem))
}
