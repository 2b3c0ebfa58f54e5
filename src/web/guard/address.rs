//! Who is calling, behind proxies that the operator trusts.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

/// The caller's address: the peer's, unless the peer is a trusted proxy; then the last address in
/// `X-Forwarded-For` (RFC 7239 section 1 describes it) that no trusted proxy reported of another.
/// What stands further left was written by the caller.
///
/// An entry that cannot be read ends the search: whoever stands left of it cannot be known. If a
/// proxy was all that had been found by then, the caller gets `unreadable`, so that strangers who
/// cannot be told apart neither use up the proxy's own share nor that of anybody who has an address.
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let reported = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for entry in reported {
        if !is_trusted(client) {
            break;
        }
        match std::str::from_utf8(entry).ok().and_then(read) {
            Some(address) => client = address.to_canonical(),
            None => return unreadable(entry),
        }
    }
    client
}

/// An entry as proxies write it: an address, with a port, in brackets, in quotes (RFC 7239 section
/// 4) or with the zone of an interface (RFC 4007 section 11).
fn read(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches([' ', '\t']);
    let entry = match entry.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => entry,
    };
    if let Some(bracketed) = entry.strip_prefix('[') {
        let (address, after) = bracketed.split_once(']')?;
        let is_sound = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return is_sound.then(|| version_6(address)).flatten();
    }
    match entry.split_once(':') {
        Some((_, port)) if port.contains(':') => version_6(entry),
        Some((address, port)) if is_port(port) => version_4(address),
        Some(_) => None,
        None => version_4(entry),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn version_4(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(IpAddr::V4)
}

fn version_6(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('%') {
        Some((_, "")) => return None,
        Some((address, _zone)) => address,
        None => text,
    };
    address.parse().ok().map(IpAddr::V6)
}

/// Stands for a caller whose proxy wrote something unreadable: one of 65,536 networks in a range
/// that no caller has an address of (RFC 6666 and its unassigned neighbors), by what was written. The
/// same words have the same share, `unknown` one for all (docs/adr/0023).
fn unreadable(entry: &[u8]) -> IpAddr {
    let digest = Sha256::digest(entry.trim_ascii());
    let bucket = match digest.first_chunk::<2>() {
        Some(bytes) => u16::from_be_bytes(*bytes),
        None => 0,
    };
    IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, bucket, 0, 0, 0, 0))
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
    }

    #[test]
    fn c152_entries_with_port_brackets_quotes_or_zone_are_read() {
        for (entry, address) in [
            ("203.0.113.9:51234", "203.0.113.9"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:51234", "2001:db8::7"),
            ("\"[2001:db8::7]:51234\"", "2001:db8::7"),
            ("\"203.0.113.9:51234\"", "203.0.113.9"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:443", "fe80::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ] {
            let forwarded = format!("198.51.100.4, {entry}");
            assert_eq!(resolve("10.1.2.3", &[&forwarded]), address, "{entry}");
            // A trusted proxy in the same notation leads on to the entry left of it.
            let chain = format!("{entry}, 10.9.9.9:80");
            assert_eq!(resolve("10.1.2.3", &[&chain]), address, "{entry}");
        }
    }

    #[test]
    fn c152_an_unreadable_entry_is_nobody_elses_address() {
        let mut found = std::collections::BTreeSet::new();
        for entry in [
            "unknown",
            "_hidden",
            "",
            "203.0.113.9:",
            "203.0.113.9:99999",
            "203.0.113.9:+1",
            "[203.0.113.9]",
            "[2001:db8::7",
            "[2001:db8::7]x",
            "fe80::1%",
            "127.1",
            "\u{fc}",
        ] {
            let forwarded = format!("198.51.100.4, {entry}");
            let address = resolve("10.1.2.3", &[&forwarded]);
            assert!(address.starts_with("100:"), "{entry}: {address}");
            assert_eq!(resolve("10.1.2.3", &["192.0.2.1", &forwarded]), address);
            let behind_another = format!("{forwarded}, 10.9.9.9");
            assert_eq!(resolve("10.1.2.3", &[&behind_another]), address);
            // Whoever has an address keeps it, whatever stands left of it.
            let named = format!("{entry}, 203.0.113.9");
            assert_eq!(resolve("10.1.2.3", &[&named]), "203.0.113.9");
            found.insert(address);
        }
        assert!(found.len() > 10, "other words, another share: {found:?}");
    }
}
