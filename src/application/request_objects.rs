//! The parameters of an authorization request that comes as a signed JWT (OIDC Core §6).

use super::{
    Failure, Ports,
    client_keys::{self, Signed},
};
use crate::{
    domain::client::Client,
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
    let signed = Signed::RequestObject(object.trim());
    let algorithm = client.request_objects.algorithm;
    let claims = client_keys::verify(ports, client, signed, algorithm).await?;
    let claims = claims.map_err(|_| {
        request_object::invalid("the signature of the request object does not verify")
    })?;
    let here = (&ports.settings.issuer, ports.clock.now());
    Ok(Some(request_object::merged(params, &claims, client, here)?))
}

async fn fetched(ports: &Ports, uri: &str) -> Result<String, Failure> {
    let unreadable = || request_object::invalid_uri("the request_uri cannot be read");
    let content = ports.outbound.get(uri, MOST).await.map_err(|error| {
        tracing::info!(uri, %error, "a request object cannot be fetched");
        unreadable()
    })?;
    Ok(String::from_utf8(content).map_err(|_| unreadable())?)
}
