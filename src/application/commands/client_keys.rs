//! Public keys of a client, and what they sign: assertions and request objects (RFC 7591 §2, OIDC
//! Registration §2).

use serde_json::json;

use super::edit_client::{Change, ClientEdit};
use crate::{
    application::registrar::{Registrar, RegistrarError},
    domain::{
        algorithm::TokenAlgorithm,
        client::{AssertionAudience, Client},
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
    if client.userinfo_algorithm == Some(TokenAlgorithm::None) {
        let problem = "userinfo without a signature is plain JSON: leave this out";
        return Err(RegistrarError::invalid("userinfo_alg", problem));
    }
    encryption(client, edit)
}

/// What is encrypted needs a key to encrypt to. One at an address may come later.
fn encryption(client: &mut Client, edit: &mut ClientEdit) -> Result<(), RegistrarError> {
    let (settings, objects) = (&mut client.encryption, &mut client.request_objects);
    std::mem::take(&mut edit.id_token_encryption).apply(&mut settings.id_token);
    std::mem::take(&mut edit.userinfo_encryption).apply(&mut settings.userinfo);
    std::mem::take(&mut edit.request_object_encryption).apply(&mut objects.encryption);
    if !client.encryption.is_none() && client.key_source().is_none() {
        let problem = "encrypted tokens need the public keys of the client: give jwks or jwks_uri";
        return Err(RegistrarError::invalid("jwks", problem));
    }
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
    match client.authentication.jwks_mut() {
        Some(known) => *known = jwks,
        None => client.keys.jwks = Some(jwks),
    }
    Ok(())
}

fn by_address(client: &mut Client, change: Change<String>) -> Result<(), RegistrarError> {
    if let Change::Set(uri) = &change {
        check_address("jwks_uri", uri)?;
        // One or the other (RFC 7591 §2).
        client.keys.jwks = None;
        if let Some(jwks) = client.authentication.jwks_mut() {
            *jwks = json!({ "keys": [] });
        }
    }
    let was_unset = change == Change::Unset;
    change.apply(&mut client.keys.jwks_uri);
    let own = client.authentication.jwks();
    let has_none = own.is_some_and(|jwks| *jwks == json!({ "keys": [] }));
    if was_unset && has_none {
        let problem = "private_key_jwt needs the public keys: give jwks";
        return Err(RegistrarError::invalid("jwks_uri", problem));
    }
    Ok(())
}

fn audience(client: &mut Client, wanted: Option<AssertionAudience>) -> Result<(), RegistrarError> {
    match client.authentication.audience_mut() {
        Some(audience) => *audience = wanted.unwrap_or(*audience),
        None if wanted.is_some_and(|it| it != AssertionAudience::Issuer) => {
            let problem = "is only for private_key_jwt and client_secret_jwt";
            return Err(RegistrarError::invalid("assertion_audience", problem));
        }
        None => {}
    }
    Ok(())
}

fn check_address(field: &'static str, text: &str) -> Result<(), RegistrarError> {
    let problem = "must be an https address without a user, at most 2000 bytes long";
    let checked = profile::url(text);
    checked
        .map(drop)
        .map_err(|_| RegistrarError::invalid(field, problem))
}
