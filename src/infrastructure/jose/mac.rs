//! RFC 7518 §3.2 — HMAC with the secret that a client shares with this server.
//!
//! josekit compares MACs byte by byte, which takes longer the more is right: not used here.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha384, Sha512};

use crate::domain::algorithm::MacAlgorithm;

/// The MAC of `message`; none under a secret that is too short for it (RFC 7518 §3.2).
pub(super) fn mac(algorithm: MacAlgorithm, secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    if secret.len() < algorithm.least_key() {
        return None;
    }
    macro_rules! mac {
        ($hash:ty) => {{
            let mac = Hmac::<$hash>::new_from_slice(secret).ok()?;
            mac.chain_update(message).finalize().into_bytes().to_vec()
        }};
    }
    Some(match algorithm {
        MacAlgorithm::Hs256 => mac!(Sha256),
        MacAlgorithm::Hs384 => mac!(Sha384),
        MacAlgorithm::Hs512 => mac!(Sha512),
    })
}

/// Whether `presented` is the MAC of `message`, whole. Takes the same time whatever is wrong.
pub(super) fn verifies(
    algorithm: MacAlgorithm,
    secret: &[u8],
    message: &[u8],
    presented: &[u8],
) -> bool {
    mac(algorithm, secret, message).is_some_and(|right| same(&right, presented))
}

/// Compares in constant time.
pub(super) fn same(right: &[u8], presented: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    right.ct_eq(presented).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_mac_is_that_of_rfc_7515_appendix_a_1() {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let right = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let [key, right] = [key, right].map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
        let verify =
            |presented: &[u8]| verifies(MacAlgorithm::Hs256, &key, message.as_bytes(), presented);
        assert!(verify(&right));
        for wrong in [&right[..31], &[], &[right.as_slice(), &[0]].concat()] {
            assert!(!verify(wrong), "cut or longer");
        }
        assert!(!verifies(
            MacAlgorithm::Hs512,
            &key,
            message.as_bytes(),
            &right
        ));
    }

    #[test]
    fn a_secret_that_is_shorter_than_the_hash_makes_no_mac() {
        for algorithm in MacAlgorithm::ALL {
            let least = algorithm.least_key();
            assert!(mac(*algorithm, &vec![1; least], b"m").is_some());
            assert!(mac(*algorithm, &vec![1; least - 1], b"m").is_none());
        }
    }
}
