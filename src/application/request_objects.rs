//! The parameters of an authorization request that comes as a JWT (OIDC Core §6).

use serde_json::{Map, Value};

use super::{
    Failure, Ports,
    client_keys::{self, Signed},
    client_secrets,
    ports::KeysOfClient,
};
use crate::{
    domain::{algorithm::TokenAlgorithm, client::Client},
    protocol::{
        params::Params,
        request_object::{self, Reference},
    },
};

/// Bytes of an object at most.
const MOST: usize = 32 * 1024;

/// The parameters that count: what the object says, and what stands beside it.
pub(super) async fn resolve(
    ports: &Ports,
    client: &Client,
    params: &Params,
) -> Result<Option<Params>, Failure> {
    if params.fault().is_some() {
        return Ok(None);
    }
    let object = match request_object::reference(params, client)? {
        None => return Ok(None),
        Some(Reference::Value(object)) => object.to_owned(),
        Some(Reference::Uri(uri)) => fetched(ports, uri).await?,
    };
    let claims = opened(ports, client, object.trim()).await?;
    let here = (&ports.settings.issuer, ports.clock.now());
    Ok(Some(request_object::merged(params, &claims, client, here)?))
}

/// The claims of an object: decrypted, then verified as the client registered (OIDC Core §6.1).
async fn opened(
    ports: &Ports,
    client: &Client,
    object: &str,
) -> Result<Map<String, Value>, Failure> {
    let registered = &client.request_objects;
    let decrypted = if request_object::is_encrypted(object) {
        let opened = ports.signer.decrypt(object, registered.encryption).await;
        Some(opened.map_err(|_| request_object::invalid("the request object does not decrypt"))?)
    } else {
        None
    };
    let signed = Signed::RequestObject(decrypted.as_deref().unwrap_or(object));
    let algorithm = registered.algorithm;
    let claims = match algorithm {
        None => client_keys::verify(ports, client, signed, None).await?,
        Some(TokenAlgorithm::Signature(only)) => {
            client_keys::verify(ports, client, signed, Some(only)).await?
        }
        Some(TokenAlgorithm::Mac(_)) => {
            let secrets = client_secrets::readable(ports, client);
            client_keys::check(ports, signed, KeysOfClient::Secrets(&secrets), algorithm)
        }
        Some(TokenAlgorithm::None) => {
            client_keys::check(ports, signed, KeysOfClient::Unsecured, algorithm)
        }
    };
    Ok(claims.map_err(|_| {
        request_object::invalid("the signature of the request object does not verify")
    })?)
}

async fn fetched(ports: &Ports, uri: &str) -> Result<String, Failure> {
    let unreadable = || request_object::invalid_uri("the request_uri cannot be read");
    let content = ports.outbound.get(uri, MOST).await.map_err(|error| {
        tracing::info!(uri, %error, "a request object cannot be fetched");
        unreadable()
    })?;
    Ok(String::from_utf8(content).map_err(|_| unreadable())?)
}
