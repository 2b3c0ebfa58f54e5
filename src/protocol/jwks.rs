//! RFC 7517 §5, OIDC Core §10.1.1 — the phases of the provider's signing keys and their rotation.
//!
//! A key is published before it signs, so that whoever caches the JWK Set knows it by then, and stays
//! published after it signed, until the last token under it has expired. The phases follow from the
//! four times of a key alone: any number of nodes agree on them without talking.
//!
//! Clocks step. A key that everybody knows goes on signing where this clock says "not yet", nothing new
//! is made because a clock went back, and a dead key is kept a day longer than it is shown.

use std::{borrow::Borrow, time::Duration};

use crate::domain::{
    algorithm::{KeyAlgorithm, SigningAlgorithm},
    key::ServerKey,
    time::Timestamp,
};

/// The rules of rotation.
#[derive(Clone, Debug)]
pub struct KeyPolicy {
    /// The algorithms to hold a key of.
    pub algorithms: Vec<KeyAlgorithm>,
    /// How long a key signs.
    pub rotation: Duration,
    /// How long before that it is published: at least what the JWK Set may be cached for.
    pub publish_ahead: Duration,
    /// How long after that it verifies: at least the longest life of a token.
    pub verify_after: Duration,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            algorithms: SigningAlgorithm::USUAL
                .iter()
                .map(|it| (*it).into())
                .collect(),
            rotation: Duration::from_secs(90 * 24 * HOUR),
            publish_ahead: Duration::from_secs(HOUR),
            verify_after: Duration::from_secs(24 * HOUR),
        }
    }
}

/// What a key is for at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It is shown, but does not sign yet.
    Published,
    /// It signs.
    Active,
    /// It verifies what it signed.
    Retiring,
    /// It is gone.
    Dead,
}

/// What `key` is for now.
pub fn phase(key: &ServerKey, now: Timestamp) -> Phase {
    if now >= key.dead_at {
        Phase::Dead
    } else if now >= key.retires_at {
        Phase::Retiring
    } else if now >= key.active_at {
        Phase::Active
    } else {
        Phase::Published
    }
}

/// How long a dead key is kept, unseen, before it is forgotten: a clock that ran ahead and was set back
/// finds it again.
pub const KEPT_AFTER_DEATH: Duration = Duration::from_hours(24);

/// Whether `key` can be forgotten for good.
pub fn is_forgotten(key: &ServerKey, now: Timestamp) -> bool {
    now >= key.dead_at.plus(KEPT_AFTER_DEATH)
}

/// The key to sign with, with `algorithm`, now: the active one. Where none is active by this clock, the
/// clock is off, or nobody has made the next key yet, and a key that the JWK Set shows signs all the
/// same: the one that comes next, else the one that signed last. None only where every key is dead.
pub fn signing<K: Borrow<ServerKey>>(
    keys: &[K],
    algorithm: KeyAlgorithm,
    now: Timestamp,
) -> Option<&K> {
    active(keys, algorithm, now)
        .or_else(|| nearest(keys, algorithm, now, Phase::Published))
        .or_else(|| nearest(keys, algorithm, now, Phase::Retiring))
}

/// The key of this phase whose time to sign is nearest.
fn nearest<K: Borrow<ServerKey>>(
    keys: &[K],
    algorithm: KeyAlgorithm,
    now: Timestamp,
    wanted: Phase,
) -> Option<&K> {
    keys.iter()
        .filter(|key| {
            let key: &ServerKey = (*key).borrow();
            key.algorithm == algorithm && phase(key, now) == wanted
        })
        .min_by_key(|key| {
            let key: &ServerKey = (*key).borrow();
            key.active_at.since(now).max(now.since(key.retires_at))
        })
}

/// The key whose time it is to sign with `algorithm`: of several active ones the newest.
pub fn active<K: Borrow<ServerKey>>(
    keys: &[K],
    algorithm: KeyAlgorithm,
    now: Timestamp,
) -> Option<&K> {
    keys.iter()
        .filter(|key| {
            let key: &ServerKey = (*key).borrow();
            key.algorithm == algorithm && phase(key, now) == Phase::Active
        })
        .max_by_key(|key| {
            let key: &ServerKey = (*key).borrow();
            key.generation
        })
}

/// What asks for a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The calendar: there is none, or the present one ends soon.
    Due,
    /// An operator.
    Asked,
}

/// The next key of an algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Its generation.
    pub generation: i64,
    /// From when JWKS shows it.
    pub published_at: Timestamp,
    /// From when it signs.
    pub active_at: Timestamp,
    /// From when it only verifies.
    pub retires_at: Timestamp,
    /// From when it is gone.
    pub dead_at: Timestamp,
    /// The present key with the times that hold once there is a successor.
    pub predecessor: Option<ServerKey>,
}

/// The next key of `algorithm`, if one has to be made now. Where no key signs or waits to, the next one
/// does at once: nothing better can be had. Otherwise it takes over when the present one ends, but never
/// before it was published for long enough; so late a successor prolongs the present key. While one
/// waits there is no other: so a clock that stepped back makes nothing and moves no times.
pub fn succession(
    keys: &[ServerKey],
    algorithm: KeyAlgorithm,
    policy: &KeyPolicy,
    (now, trigger): (Timestamp, Trigger),
) -> Option<Succession> {
    let newest = keys
        .iter()
        .filter(|key| key.algorithm == algorithm)
        .max_by_key(|key| key.generation);
    let present = active(keys, algorithm, now);
    let active_at = match (present, newest) {
        (Some(present), Some(newest)) if newest.generation > present.generation => return None,
        (None, Some(newest)) if phase(newest, now) == Phase::Published => return None,
        (Some(present), _) => {
            let earliest = now.plus(policy.publish_ahead);
            match trigger {
                Trigger::Due if earliest < present.retires_at => return None,
                Trigger::Due | Trigger::Asked => earliest,
            }
        }
        (None, _) => now,
    };
    let retires_at = active_at.plus(policy.rotation);
    Some(Succession {
        generation: newest.map_or(0, |key| key.generation.saturating_add(1)),
        published_at: now,
        active_at,
        retires_at,
        dead_at: retires_at.plus(policy.verify_after),
        predecessor: present.map(|key| ServerKey {
            retires_at: active_at,
            dead_at: active_at.plus(policy.verify_after),
            ..key.clone()
        }),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000);
    const ALGORITHM: KeyAlgorithm = KeyAlgorithm::Signing(SigningAlgorithm::Es256);

    fn apply(keys: &mut Vec<ServerKey>, next: &Succession) {
        for key in keys.iter_mut() {
            if let Some(changed) = next.predecessor.as_ref().filter(|p| p.kid == key.kid) {
                *key = changed.clone();
            }
        }
        keys.push(ServerKey {
            kid: next.generation.to_string(),
            algorithm: ALGORITHM,
            generation: next.generation,
            sealed_private: Vec::new(),
            public_jwk: serde_json::Value::Null,
            published_at: next.published_at,
            active_at: next.active_at,
            retires_at: next.retires_at,
            dead_at: next.dead_at,
        });
    }

    fn first() -> Vec<ServerKey> {
        let mut keys = Vec::new();
        tend(&mut keys, NOW, Trigger::Due);
        keys
    }

    fn tend(keys: &mut Vec<ServerKey>, now: Timestamp, trigger: Trigger) {
        if let Some(next) = succession(keys, ALGORITHM, &KeyPolicy::default(), (now, trigger)) {
            apply(keys, &next);
        }
    }

    #[test]
    fn the_first_key_signs_at_once() {
        let keys = first();
        assert_eq!(active(&keys, ALGORITHM, NOW).unwrap().generation, 0);
        assert!(active(&keys, SigningAlgorithm::Rs256.into(), NOW).is_none());
    }

    #[test]
    fn a_key_passes_through_its_phases_in_order() {
        let key = &first()[0];
        let at = |time: Timestamp| (phase(key, Timestamp(time.0 - 1)), phase(key, time));
        assert_eq!(at(key.active_at), (Phase::Published, Phase::Active));
        assert_eq!(at(key.retires_at), (Phase::Active, Phase::Retiring));
        assert_eq!(at(key.dead_at), (Phase::Retiring, Phase::Dead));
    }

    #[test]
    fn a_successor_takes_over_without_a_gap() {
        let mut keys = first();
        let due = keys[0].retires_at.minus(KeyPolicy::default().publish_ahead);
        tend(&mut keys, Timestamp(due.0 - 1), Trigger::Due);
        assert_eq!(keys.len(), 1);
        tend(&mut keys, due, Trigger::Due);
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0].retires_at, keys[1].active_at);
        tend(&mut keys, due, Trigger::Due);
        tend(&mut keys, due, Trigger::Asked);
        assert_eq!(keys.len(), 2, "a successor that waits is enough");
    }

    #[test]
    fn an_operator_who_asks_gets_a_key_after_it_was_published_for_an_hour() {
        let mut keys = first();
        tend(&mut keys, NOW, Trigger::Asked);
        assert_eq!(keys[1].published_at, NOW);
        assert_eq!(keys[1].active_at, Timestamp(NOW.0 + 3600));
        assert_eq!(active(&keys, ALGORITHM, NOW).unwrap().generation, 0);
        let later = keys[1].active_at;
        assert_eq!(active(&keys, ALGORITHM, later).unwrap().generation, 1);
        assert_eq!(phase(&keys[0], later), Phase::Retiring);
    }

    #[test]
    fn after_a_year_of_sleep_a_key_signs_at_once() {
        let mut keys = first();
        let later = Timestamp(NOW.0 + 365 * 24 * 3600);
        tend(&mut keys, later, Trigger::Due);
        assert_eq!(active(&keys, ALGORITHM, later).unwrap().generation, 1);
    }

    #[test]
    fn a_clock_behind_signs_with_the_key_that_everybody_knows_and_makes_none() {
        for seconds in [30, 3600, 365 * 24 * 3600] {
            let mut keys = first();
            let behind = Timestamp(NOW.0 - seconds);
            assert_eq!(signing(&keys, ALGORITHM, behind).unwrap().generation, 0);
            let before = keys.clone();
            tend(&mut keys, behind, Trigger::Due);
            tend(&mut keys, behind, Trigger::Asked);
            assert_eq!(keys, before, "{seconds}");
        }
    }

    #[test]
    fn of_several_keys_that_wait_the_next_one_signs_and_after_all_the_last_one() {
        let mut keys = first();
        tend(&mut keys, NOW, Trigger::Asked);
        let generation = |now| signing(&keys, ALGORITHM, now).map(|key| key.generation);
        assert_eq!(generation(Timestamp(NOW.0 - 1)), Some(0));
        assert_eq!(generation(keys[1].active_at), Some(1));
        assert_eq!(generation(keys[1].retires_at), Some(1));
        assert_eq!(generation(keys[1].dead_at), None);
        assert!(!is_forgotten(&keys[1], keys[1].dead_at));
        assert!(is_forgotten(
            &keys[1],
            keys[1].dead_at.plus(KEPT_AFTER_DEATH)
        ));
    }

    proptest! {
        #[test]
        fn a_clock_that_swings_by_hours_finds_a_key_and_makes_one_in_a_rotation_at_most(
            swings in prop::collection::vec(-3600_i64..=3600, 1..60),
            start in 0_i64..200 * 24 * 3600,
        ) {
            let mut keys = first();
            let mut calm = Timestamp(NOW.0);
            while calm.0 < NOW.0 + start {
                calm = Timestamp(calm.0 + 1800);
                tend(&mut keys, calm, Trigger::Due);
            }
            let before = keys.len();
            for swing in swings {
                let now = Timestamp(calm.0 + swing);
                tend(&mut keys, now, Trigger::Due);
                prop_assert!(signing(&keys, ALGORITHM, now).is_some());
                prop_assert!(keys.iter().all(|key| key.published_at <= key.active_at
                    && key.active_at < key.retires_at && key.retires_at < key.dead_at));
            }
            prop_assert!(keys.len() <= before + 1);
        }

        #[test]
        fn however_irregular_the_nodes_wake_one_key_signs_and_it_was_announced(
            steps in prop::collection::vec((1_i64..40 * 24 * 3600, any::<bool>()), 1..60),
        ) {
            let policy = KeyPolicy::default();
            let mut keys = first();
            let mut now = NOW;
            for (step, asked) in steps {
                now = Timestamp(now.0 + step);
                let slept = active(&keys, ALGORITHM, now).is_none();
                tend(&mut keys, now, if asked { Trigger::Asked } else { Trigger::Due });
                let signing = keys.iter().filter(|key| phase(key, now) == Phase::Active).count();
                prop_assert_eq!(signing, 1);
                let newest = keys.last().unwrap();
                let announced = newest.active_at.since(newest.published_at);
                prop_assert!(announced >= policy.publish_ahead || slept || newest.generation == 0
                    || newest.published_at < now);
                for key in &keys {
                    prop_assert!(key.dead_at >= key.retires_at.plus(policy.verify_after));
                }
            }
        }
    }
}
