//! `[limits]`: how often a login may be tried, and how much may be asked.

use super::reader::Reader;
use crate::application::settings::{LoginLimits, RequestLimits};

/// More than any node answers in a minute.
const MOST: u64 = 1_000_000_000;

pub(super) fn logins(r: &mut Reader) -> Option<LoginLimits> {
    let per_account = r.integer("limits.login_per_account", 1..=1_000_000);
    let per_account_total = r.integer("limits.login_per_account_total", 1..=1_000_000);
    let per_address = r.integer("limits.login_per_address", 1..=1_000_000);
    let window = r.duration("limits.login_window");
    Some(LoginLimits {
        per_account: per_account?,
        per_account_total: per_account_total?,
        per_address: per_address?,
        window: window?,
    })
}

pub(super) fn requests(r: &mut Reader) -> Option<RequestLimits> {
    let is_on = r.with("limits.requests", |text| match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("choose on or off".to_owned()),
    });
    let token = quota(r, "limits.token_per_address");
    let introspection = quota(r, "limits.introspection_per_address");
    let revocation = quota(r, "limits.revocation_per_address");
    let authorization = quota(r, "limits.authorization_per_address");
    let login = quota(r, "limits.login_forms_per_address");
    let network_factor = r.integer("limits.network_factor", 1..=1_000_000);
    let client = quota(r, "limits.requests_per_client");
    let account = quota(r, "limits.authorization_per_account");
    let limits = RequestLimits {
        token: token?,
        introspection: introspection?,
        revocation: revocation?,
        authorization: authorization?,
        login: login?,
        network_factor: network_factor?,
        client: client?,
        account: account?,
    };
    Some(if is_on? { limits } else { RequestLimits::OFF })
}

/// A number of requests; `None` inside where there is no limit.
fn quota(r: &mut Reader, key: &str) -> Option<Option<u64>> {
    let number = r.integer(key, 0..=MOST)?;
    Some((number > 0).then_some(number))
}
