//! RFC 6749 §6, RFC 9700 §4.14 — refresh tokens, their rotation and the detection of replays.
//!
//! A refresh token is `family.generation.tag`. The tag is a MAC under a server key over the other
//! two, so the successor of a generation is the same string every time, a forged token is told from
//! a stolen one, and the store holds nothing worth stealing. Within a short grace the previous
//! generation yields that same successor, unless the successor was used; after that a genuine older
//! generation revokes the family.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::{client::RefreshRotation, grant::Grant, id::ClientId, time::Timestamp};

/// The key under which refresh tokens are made.
#[derive(Clone)]
pub struct RefreshKey([u8; 32]);

/// A refresh token, taken apart. Not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Names the family.
    pub family: String,
    /// Counts its rotations from 0.
    pub generation: u64,
    tag: String,
}

/// A text that cannot be one of our refresh tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARefreshToken;

impl RefreshKey {
    /// Takes 32 secret bytes, derived for this purpose only.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The token of one generation of a family; always the same one.
    pub fn token(&self, family: &str, generation: u64) -> RefreshToken {
        let tag = URL_SAFE_NO_PAD.encode(self.mac(family, generation).finalize().into_bytes());
        RefreshToken {
            family: family.to_owned(),
            generation,
            tag,
        }
    }

    /// Whether we made this token, in constant time.
    pub fn is_genuine(&self, token: &RefreshToken) -> bool {
        let tag = URL_SAFE_NO_PAD.decode(&token.tag).unwrap_or_default();
        self.mac(&token.family, token.generation)
            .verify_slice(&tag)
            .is_ok()
    }

    fn mac(&self, family: &str, generation: u64) -> Hmac<Sha256> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        // A key shorter than the block is padded with zeros (RFC 2104 §2).
        block
            .iter_mut()
            .zip(self.0)
            .for_each(|(padded, byte)| *padded = byte);
        let mut mac = Hmac::<Sha256>::new(&block);
        mac.update(b"refresh-token\0");
        mac.update(family.as_bytes());
        mac.update(b"\0");
        mac.update(&generation.to_be_bytes());
        mac
    }
}

impl FromStr for RefreshToken {
    type Err = NotARefreshToken;

    fn from_str(text: &str) -> Result<Self, NotARefreshToken> {
        let mut parts = text.split('.');
        let (Some(family), Some(generation), Some(tag), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotARefreshToken);
        };
        let canonical = generation.bytes().all(|b| b.is_ascii_digit())
            && (generation == "0" || !generation.starts_with('0'));
        if family.is_empty() || family.len() > 64 || tag.len() != 43 || !canonical {
            return Err(NotARefreshToken);
        }
        let generation = generation.parse().map_err(|_| NotARefreshToken)?;
        Ok(Self {
            family: family.to_owned(),
            generation,
            tag: tag.to_owned(),
        })
    }
}

impl fmt::Display for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.family, self.generation, self.tag)
    }
}

/// The state of a family, one record in the state store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// What every token of it stands for; never narrowed.
    pub grant: Grant,
    /// The generation that was issued last: the leaf.
    pub leaf: u64,
    /// When the leaf was issued.
    pub rotated_at: Timestamp,
    /// From when it is dead for lack of use.
    pub idle_until: Timestamp,
    /// From when it is dead in any case.
    pub expires_at: Timestamp,
    /// Whether it was revoked.
    pub revoked: bool,
    /// The epoch of the state store's memory in which it was last known to stand.
    #[serde(default)]
    pub epoch: String,
}

/// The rules of one client's families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// Whether tokens are replaced.
    pub rotation: RefreshRotation,
    /// Life without use.
    pub idle: Duration,
    /// Life in any case.
    pub absolute: Duration,
    /// How long the previous token may be retried.
    pub grace: Duration,
}

/// What presenting a genuine token comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Replace the record by this one, which names the new leaf, then answer with its token.
    Next(Family),
    /// Answer with the leaf again; nothing changes.
    Retry(Family),
    /// An older token came back: revoke the family.
    Replay,
    /// Another client presented it.
    Misuse,
    /// Revoked or expired; the text is for the log.
    Reject(&'static str),
}

impl Family {
    /// A new family with generation 0 as its leaf.
    pub fn new(grant: Grant, policy: &RefreshPolicy, now: Timestamp) -> Self {
        let expires_at = now.plus(policy.absolute);
        let idle_until = now.plus(policy.idle).min(expires_at);
        Self {
            grant,
            leaf: 0,
            rotated_at: now,
            idle_until,
            expires_at,
            revoked: false,
            epoch: String::new(),
        }
    }

    /// The same, known to stand in this epoch.
    #[must_use]
    pub fn in_epoch(self, epoch: &str) -> Self {
        Self {
            epoch: epoch.to_owned(),
            ..self
        }
    }
}

/// Decides about a genuine token of `generation`, presented by `client` at `now`.
pub fn rotate(
    family: &Family,
    generation: u64,
    client: &ClientId,
    policy: &RefreshPolicy,
    now: Timestamp,
) -> Rotation {
    if family.grant.client != *client {
        return Rotation::Misuse;
    }
    if family.revoked {
        return Rotation::Reject("the family is revoked");
    }
    if family.idle_until <= now || family.expires_at <= now {
        return Rotation::Reject("the family is expired");
    }
    let used = Family {
        idle_until: now.plus(policy.idle).min(family.expires_at),
        ..family.clone()
    };
    // A genuine generation beyond the leaf proves that the store lost its last writes (a failover):
    // it is the true leaf.
    if generation >= family.leaf {
        return Rotation::Next(match policy.rotation {
            RefreshRotation::Rotate => Family {
                leaf: generation.saturating_add(1),
                rotated_at: now,
                ..used
            },
            RefreshRotation::Keep => Family {
                leaf: generation,
                ..used
            },
        });
    }
    let is_previous = generation.saturating_add(1) == family.leaf;
    let in_grace = now.since(family.rotated_at) < policy.grace;
    if is_previous && in_grace {
        Rotation::Retry(family.clone())
    } else {
        Rotation::Replay
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{id::GrantId, scope::Scope};

    const NOW: Timestamp = Timestamp(1_700_000_000);

    fn policy(grace: u64) -> RefreshPolicy {
        RefreshPolicy {
            rotation: RefreshRotation::Rotate,
            idle: Duration::from_secs(1000),
            absolute: Duration::from_secs(5000),
            grace: Duration::from_secs(grace),
        }
    }

    fn family() -> Family {
        let grant = Grant {
            id: GrantId::new("g"),
            client: ClientId::new("c"),
            owner: None,
            scope: Scope::empty(),
            resources: vec![],
            claims: crate::domain::claim_demand::GrantedClaims::default(),
            granted_at: NOW,
        };
        Family::new(grant, &policy(10), NOW)
    }

    fn step(family: &Family, generation: u64, at: i64, grace: u64) -> Rotation {
        rotate(
            family,
            generation,
            &ClientId::new("c"),
            &policy(grace),
            Timestamp(NOW.0 + at),
        )
    }

    fn next(family: &Family, generation: u64, at: i64) -> Family {
        let rotation = step(family, generation, at, 10);
        let Rotation::Next(family) = rotation else {
            panic!("{rotation:?}")
        };
        family
    }

    #[test]
    fn only_our_own_tokens_are_genuine() {
        let key = RefreshKey::new([1; 32]);
        let token = key.token("family", 3);
        assert_eq!(token.to_string(), key.token("family", 3).to_string());
        assert!(key.is_genuine(&token.to_string().parse().unwrap()));
        assert!(!RefreshKey::new([2; 32]).is_genuine(&token));
        let forged = token.to_string().replace(".3.", ".4.");
        assert!(!key.is_genuine(&forged.parse().unwrap()));
    }

    #[test]
    fn malformed_tokens_are_not_even_looked_up() {
        let good = RefreshKey::new([1; 32]).token("f", 0).to_string();
        for text in [
            "",
            "a.b",
            "a.0.short",
            &format!("{good}.x"),
            &good.replace(".0.", ".00."),
            &good.replace(".0.", ".+1."),
        ] {
            assert!(text.parse::<RefreshToken>().is_err(), "{text}");
        }
    }

    #[test]
    fn within_the_grace_a_retry_gets_the_same_successor() {
        let rotated = next(&family(), 0, 5);
        assert_eq!(rotated.leaf, 1);
        assert_eq!(step(&rotated, 0, 14, 10), Rotation::Retry(rotated.clone()));
    }

    #[test]
    fn after_the_grace_or_without_one_a_previous_token_is_a_replay() {
        let rotated = next(&family(), 0, 5);
        assert_eq!(step(&rotated, 0, 15, 10), Rotation::Replay);
        assert_eq!(step(&rotated, 0, 5, 0), Rotation::Replay);
    }

    #[test]
    fn once_the_successor_was_used_its_predecessor_is_a_replay_even_within_the_grace() {
        let twice = next(&next(&family(), 0, 5), 1, 6);
        assert_eq!(step(&twice, 0, 7, 10), Rotation::Replay);
    }

    #[test]
    fn c059_idle_sliding_never_passes_the_absolute_lifetime() {
        let mut current = family();
        for at in (900..5000).step_by(900) {
            current = next(&current, current.leaf, at);
            assert!(current.idle_until <= current.expires_at);
        }
        assert!(matches!(
            step(&current, current.leaf, 5000, 10),
            Rotation::Reject(_)
        ));
        assert!(matches!(step(&family(), 0, 1000, 10), Rotation::Reject(_)));
    }

    #[test]
    fn a_rolled_back_store_accepts_the_true_leaf_and_moves_on() {
        let rolled_back = family();
        assert_eq!(next(&rolled_back, 4, 5).leaf, 5);
    }

    #[test]
    fn another_clients_token_is_a_misuse() {
        let other = rotate(&family(), 0, &ClientId::new("d"), &policy(10), NOW);
        assert_eq!(other, Rotation::Misuse);
    }

    proptest! {
        /// Whatever order tabs refresh in, there is never more than one token that is not a replay
        /// beyond the grace: the leaf.
        #[test]
        fn there_is_never_more_than_one_live_leaf(presented in proptest::collection::vec((0_u64..6, 0_i64..30), 0..40)) {
            let mut current = family();
            let mut clock = 0;
            for (generation, wait) in presented {
                clock += wait;
                match step(&current, generation.min(current.leaf), clock, 10) {
                    Rotation::Next(updated) => {
                        prop_assert_eq!(updated.leaf, current.leaf + 1);
                        current = updated;
                    }
                    Rotation::Retry(same) => prop_assert_eq!(same.leaf, current.leaf),
                    Rotation::Replay | Rotation::Reject(_) => break,
                    Rotation::Misuse => prop_assert!(false, "one client only"),
                }
                let live = (0..=current.leaf)
                    .filter(|g| matches!(step(&current, *g, clock + 10, 10), Rotation::Next(_)))
                    .count();
                prop_assert!(live <= 1);
            }
        }
    }
}
