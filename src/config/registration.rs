//! `[registration]`.

use super::reader::Reader;
use crate::application::settings::Registration;

/// `None` only if the reader noted a problem.
pub(super) fn read(r: &mut Reader) -> Option<Registration> {
    let is_on = r.with("registration.self", |text| match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("choose on or off".to_owned()),
    });
    let domains = r.list("registration.domains", |text| {
        let domain = text.trim().to_lowercase();
        let is_domain = !domain.is_empty() && !domain.contains(['@', '/', ' ', '*']);
        is_domain
            .then_some(domain)
            .ok_or_else(|| "write domains such as \"example.com\"".to_owned())
    });
    let (is_on, domains) = (is_on?, domains?);
    Some(match (is_on, domains.is_empty()) {
        (false, _) => Registration::Off,
        (true, true) => Registration::Anybody,
        (true, false) => Registration::Domains(domains),
    })
}
