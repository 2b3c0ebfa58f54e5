//! Logos of clients, fetched by the server: whoever looks at a page of ours tells nobody else about it.

use std::{sync::Arc, time::Duration};

use super::{Ports, fetched::Freshness, ports::SendError};
use crate::domain::{
    brand::{LARGEST_LOGO, Logo},
    client::Client,
};

/// A picture is kept for an hour, for a day if its server is away, and asked for every five minutes at
/// most.
const FRESHNESS: Freshness = Freshness {
    age: Duration::from_hours(1),
    most: Duration::from_hours(24),
    pause: Duration::from_mins(5),
};

/// The picture of a client, if it has one that can be had.
pub async fn logo_of(ports: &Ports, client: &Client) -> Option<Arc<Logo>> {
    let uri = client.links.logo.as_ref()?;
    let when = (&*ports.clock, FRESHNESS);
    ports.client_logos.get(uri, when, fetch(ports, uri)).await
}

async fn fetch(ports: &Ports, uri: &str) -> Result<Logo, SendError> {
    let bytes = ports.outbound.get(uri, LARGEST_LOGO).await?;
    Logo::of(bytes).map_err(|unfit| SendError::Permanent(unfit.to_string()))
}
