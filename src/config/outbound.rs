//! `[outbound]`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::reader::Reader;
use crate::infrastructure::outbound::OutboundOptions;

/// `None` only if the reader noted a problem.
pub(super) fn read(r: &mut Reader) -> Option<OutboundOptions> {
    let allowed_networks = r.list("outbound.allowed_networks", |text| {
        let network = text.parse::<IpNet>().ok();
        let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.ok_or_else(|| "write networks such as \"10.0.0.0/8\"".to_owned())
    });
    let ca_file = r.optional("outbound.ca_file", |file| Ok(file.into()));
    Some(OutboundOptions {
        allowed_networks: allowed_networks?,
        ca_file: ca_file?,
    })
}
