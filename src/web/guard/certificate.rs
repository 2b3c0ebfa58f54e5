//! RFC 9440 — the certificate of a TLS client, told by the proxy that ended its connection.
//!
//! `Client-Cert` of anybody but a trusted proxy is ignored (security.md C 98), and so is one that is not
//! exactly one byte sequence: the client is then as if it had presented none.

use axum::http::{HeaderMap, HeaderName};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{domain::certificate::PresentedCertificate, web::context};

const OWN: HeaderName = HeaderName::from_static("client-cert");
const CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
/// Certificates that a client may bring along.
const MOST: usize = 8;

/// The certificate that the headers tell of.
pub(super) fn told(headers: &HeaderMap) -> Option<PresentedCertificate> {
    let own = context::single(headers, &OWN).ok()??;
    let own = bytes(std::str::from_utf8(own).ok()?)?;
    let mut chain = Vec::new();
    for line in headers.get_all(CHAIN) {
        for item in line.to_str().ok()?.split(',') {
            chain.push(bytes(item)?);
        }
    }
    (chain.len() <= MOST).then_some(PresentedCertificate { own, chain })
}

/// A byte sequence (RFC 9651 §3.3.5).
fn bytes(item: &str) -> Option<Vec<u8>> {
    let inner = item.trim().strip_prefix(':')?.strip_suffix(':')?;
    STANDARD
        .decode(inner)
        .ok()
        .filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn one_byte_sequence_is_a_certificate_and_a_list_of_them_its_chain() {
        let found = told(&headers(&[
            (OWN, ":AQID:"),
            (CHAIN, ":BA==:, :BQ==:"),
            (CHAIN, ":Bg==:"),
        ]));
        let found = found.unwrap();
        assert_eq!(found.own, [1, 2, 3]);
        assert_eq!(found.chain, [vec![4], vec![5], vec![6]]);
    }

    #[test]
    fn anything_else_is_no_certificate() {
        for value in [
            "",
            "::",
            "AQID",
            ":AQID",
            ":!!:",
            ":AQID:;a=1",
            ":AQID:, :AQID:",
            "\"AQID\"",
        ] {
            assert!(told(&headers(&[(OWN, value)])).is_none(), "{value}");
        }
        assert!(told(&headers(&[(OWN, ":AQID:"), (OWN, ":AQID:")])).is_none());
        assert!(told(&headers(&[(OWN, ":AQID:"), (CHAIN, "x")])).is_none());
        assert!(told(&headers(&[(CHAIN, ":AQID:")])).is_none());
    }
}
