//! Who is calling, behind proxies that the operator trusts.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The caller's address: the peer's, unless the peer is a trusted proxy; then the last address in
/// `X-Forwarded-For` (RFC 7239 section 1 describes it) that no trusted proxy reported of another.
/// What stands further left was written by the caller.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.to_canonical();
    let values = headers.get_all("x-forwarded-for").iter();
    let lines: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let reported = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for entry in reported {
        if !is_trusted(client) {
            break;
        }
        match entry.trim().parse::<IpAddr>() {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderValue;

    use super::*;

    const TRUSTED: [&str; 2] = ["10.0.0.0/8", "::1/128"];

    fn resolve(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::try_from(*line).unwrap());
        }
        let trusted = TRUSTED.map(|net| net.parse().unwrap());
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn c152_the_header_is_ignored_from_anybody_but_a_trusted_proxy() {
        assert_eq!(resolve("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(resolve("10.1.2.3", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(resolve("::ffff:10.1.2.3", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(resolve("::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(resolve("10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn c152_what_the_caller_wrote_left_of_the_proxies_counts_for_nothing() {
        let spoofed = "127.0.0.1, 198.51.100.4, 203.0.113.9";
        assert_eq!(resolve("10.1.2.3", &[spoofed]), "203.0.113.9");
        assert_eq!(
            resolve("10.1.2.3", &["127.0.0.1", "203.0.113.9, 10.9.9.9"]),
            "203.0.113.9"
        );
        assert_eq!(resolve("10.1.2.3", &["203.0.113.9, unknown"]), "10.1.2.3");
    }
}
