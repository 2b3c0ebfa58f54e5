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
    let token = r.integer("limits.token_per_address", 0..=MOST);
    let introspection = r.integer("limits.introspection_per_address", 0..=MOST);
    let revocation = r.integer("limits.revocation_per_address", 0..=MOST);
    let authorization = r.integer("limits.authorization_per_address", 0..=MOST);
    let login = r.integer("limits.login_forms_per_address", 0..=MOST);
    let network_factor = r.integer("limits.network_factor", 1..=1_000_000);
    let client = r.integer("limits.requests_per_client", 0..=MOST);
    let account = r.integer("limits.authorization_per_account", 0..=MOST);
    let limits = RequestLimits {
        token: quota(token?),
        introspection: quota(introspection?),
        revocation: quota(revocation?),
        authorization: quota(authorization?),
        login: quota(login?),
        network_factor: network_factor?,
        client: quota(client?),
        account: quota(account?),
    };
    Some(if is_on? { limits } else { RequestLimits::OFF })
}

/// So many requests; where there is no number there is no limit.
fn quota(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}
