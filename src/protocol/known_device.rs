//! RFC 2104 — tags of browsers that an account has logged in with (OWASP "device cookies").
//!
//! A browser is given an identifier of its own and, for each account that logged in with it, a tag
//! that only we can make. It proves nothing but that: whoever holds it may try passwords at a counter
//! of its own, so that strangers who guess cannot lock the owner out.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::id::UserId;

/// Accounts that one browser is remembered for; the oldest gives way.
const MAX_ACCOUNTS: usize = 8;
/// Bytes of a device's identifier.
const ID_BYTES: usize = 16;
/// Bytes of a tag: half of a SHA-256 (RFC 2104 §5).
const TAG_BYTES: usize = 16;

/// The key of the tags.
pub struct DeviceKey([u8; 32]);

/// What a browser showed: an identifier and tags, none of them verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    id: [u8; ID_BYTES],
    tags: Vec<[u8; TAG_BYTES]>,
}

impl Device {
    /// A browser that nobody has logged in with, named by random bytes.
    pub fn new(id: [u8; ID_BYTES]) -> Self {
        Self {
            id,
            tags: Vec::new(),
        }
    }

    /// Reads what [`Self::encode`] wrote; nothing if it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let id = decode(parts.next()?)?;
        let tags: Option<Vec<_>> = parts.by_ref().take(MAX_ACCOUNTS).map(decode).collect();
        let device = Self { id, tags: tags? };
        parts.next().is_none().then_some(device)
    }

    /// As text for a cookie.
    pub fn encode(&self) -> String {
        let mut text = URL_SAFE_NO_PAD.encode(self.id);
        for tag in &self.tags {
            text.push('.');
            URL_SAFE_NO_PAD.encode_string(tag, &mut text);
        }
        text
    }

    /// Its identifier as text. Worth nothing without a tag.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.id)
    }
}

impl DeviceKey {
    /// Takes 32 secret bytes, derived for this purpose only.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Whether `user` logged in with this browser before, in constant time for each tag.
    pub fn knows(&self, device: &Device, user: &UserId) -> bool {
        let is_ours = |tag| self.mac(device, user).verify_truncated_left(tag).is_ok();
        device.tags.iter().any(|tag| is_ours(tag.as_slice()))
    }

    /// The browser after `user` logged in with it: this account first.
    #[must_use]
    pub fn remember(&self, device: Device, user: &UserId) -> Device {
        if self.knows(&device, user) {
            return device;
        }
        let mut tag = [0; TAG_BYTES];
        let mac = self.mac(&device, user).finalize().into_bytes();
        tag.iter_mut().zip(mac).for_each(|(to, byte)| *to = byte);
        let mut tags = vec![tag];
        tags.extend(device.tags.iter().take(MAX_ACCOUNTS - 1));
        Device { tags, ..device }
    }

    fn mac(&self, device: &Device, user: &UserId) -> Hmac<Sha256> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        // A key shorter than the block is padded with zeros (RFC 2104 §2).
        block
            .iter_mut()
            .zip(self.0)
            .for_each(|(padded, byte)| *padded = byte);
        Hmac::<Sha256>::new(&block)
            .chain_update(device.id)
            .chain_update(user.as_str())
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key() -> DeviceKey {
        DeviceKey::new([7; 32])
    }

    #[test]
    fn a_browser_is_known_to_the_accounts_that_logged_in_with_it_only() {
        let (alice, bob, eve) = (UserId::new("a"), UserId::new("b"), UserId::new("e"));
        let device = key().remember(Device::new([1; 16]), &alice);
        let device = key().remember(device, &bob);
        let read = Device::parse(&device.encode()).unwrap();
        assert_eq!(read, device);
        assert!(key().knows(&read, &alice) && key().knows(&read, &bob));
        assert!(!key().knows(&read, &eve));
        assert!(!DeviceKey::new([8; 32]).knows(&read, &alice));
        let stolen = Device {
            id: [2; 16],
            ..read
        };
        assert!(
            !key().knows(&stolen, &alice),
            "a tag belongs to its browser"
        );
    }

    #[test]
    fn the_oldest_account_gives_way_and_nothing_else_is_read() {
        let user = |n: usize| UserId::new(n.to_string());
        let device = (0..=MAX_ACCOUNTS).fold(Device::new([1; 16]), |device, n| {
            key().remember(device, &user(n))
        });
        assert!(!key().knows(&device, &user(0)) && key().knows(&device, &user(1)));
        assert_eq!(key().remember(device.clone(), &user(5)), device);
        let long = format!("{}.{}", device.encode(), "A".repeat(22));
        for text in ["", ".", "AAAA", "x y", long.as_str()] {
            assert_eq!(Device::parse(text), None, "{text}");
        }
    }
}
