//! Public keys that are well-formed and worthless (RFC 8725 §3.1, RFC 8032 §5.1.7, NIST SP 800-56B §6.4).
//!
//! Ed25519 points of small order, which one fixed signature satisfies for every message; points with a
//! torsion part or another spelling; RSA moduli that are prime, even, a power, divisible by a small
//! prime, a product of close primes, or of the kind that a faulty generator made (ROCA). All of it is
//! about public values, so no time has to be constant.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use curve25519_dalek::edwards::CompressedEdwardsY;
use num_bigint::BigUint;

use super::jwk::PublicKey;

/// Every prime below is tried as a factor of an RSA modulus.
const SMALL: u32 = 1 << 16;
/// Steps of Fermat's method: factors that differ in the upper half of their digits stay unfound.
const FERMAT_STEPS: usize = 10_000;
/// Judgments that are remembered.
const REMEMBERED: usize = 4096;
/// The primes whose residues give away moduli of the faulty generator (Nemec et al., 2017).
const ROCA: [u32; 17] = [
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
];

/// Whether a signature of this key proves anything. Judged once for each key: an RSA modulus takes
/// milliseconds.
pub(super) fn is_sound(key: &PublicKey) -> bool {
    static JUDGED: LazyLock<Mutex<HashMap<String, bool>>> = LazyLock::new(Mutex::default);
    let judged = || JUDGED.lock().unwrap_or_else(PoisonError::into_inner);
    let name = key.thumbprint();
    if let Some(verdict) = judged().get(&name) {
        return *verdict;
    }
    let verdict = judge(key);
    let mut judged = judged();
    if judged.len() >= REMEMBERED {
        judged.clear();
    }
    judged.insert(name, verdict);
    verdict
}

fn judge(key: &PublicKey) -> bool {
    match key {
        PublicKey::Rsa { n, .. } => is_sound_modulus(&BigUint::from_bytes_be(n)),
        // That the point is on its curve is proved by making a verifier; the orders are prime.
        PublicKey::Ec { .. } => true,
        PublicKey::Ed25519 { x } => is_sound_point(x),
    }
}

fn is_sound_point(encoded: &[u8; 32]) -> bool {
    CompressedEdwardsY(*encoded)
        .decompress()
        .is_some_and(|point| {
            point.compress().0 == *encoded && !point.is_small_order() && point.is_torsion_free()
        })
}

fn is_sound_modulus(n: &BigUint) -> bool {
    !has_small_factor(n)
        && !has_roca_residues(n)
        && !is_power(n)
        && !has_close_factors(n)
        && !is_probably_prime(n)
}

fn has_small_factor(n: &BigUint) -> bool {
    static PRIMES: LazyLock<Vec<u32>> = LazyLock::new(|| primes_below(SMALL));
    PRIMES.iter().any(|prime| remainder(n, *prime) == 0)
}

/// Whether every residue is a power of 65537, as only moduli of that generator are, nearly.
fn has_roca_residues(n: &BigUint) -> bool {
    ROCA.iter().all(|prime| {
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * (65_537 % prime) % prime;
            power == remainder(n, *prime)
        })
    })
}

/// A square, cube and so on. Roots below [`SMALL`] would have been found as factors.
fn is_power(n: &BigUint) -> bool {
    let most = u32::try_from(n.bits() / 16).unwrap_or(u32::MAX);
    primes_below(most.saturating_add(1))
        .into_iter()
        .any(|exponent| n.nth_root(exponent).pow(exponent) == *n)
}

/// Fermat's method: `n` as a difference of squares, the nearest first.
fn has_close_factors(n: &BigUint) -> bool {
    let root = n.sqrt() + 1_u32;
    // Squares of neighbors differ by odd numbers that follow each other.
    let mut odd = &root * 2_u32 + 1_u32;
    let mut difference = &root * &root - n;
    for _ in 0..FERMAT_STEPS {
        if is_square(&difference) {
            return true;
        }
        difference += &odd;
        odd += 2_u32;
    }
    false
}

fn is_square(n: &BigUint) -> bool {
    const MODULI: [u64; 8] = [64, 63, 65, 11, 17, 19, 23, 31];
    let residue = (n % MODULI.iter().product::<u64>())
        .iter_u64_digits()
        .next()
        .unwrap_or(0);
    let may_be = |modulus: &u64| (0..*modulus).any(|x| x * x % modulus == residue % modulus);
    MODULI.iter().all(may_be) && n.sqrt().pow(2) == *n
}

/// By Fermat's little theorem: every prime passes, and a product of two large random primes does not.
fn is_probably_prime(n: &BigUint) -> bool {
    let one = BigUint::from(1_u32);
    BigUint::from(2_u32).modpow(&(n - &one), n) == one
}

fn remainder(n: &BigUint, prime: u32) -> u32 {
    (n % prime).iter_u32_digits().next().unwrap_or(0)
}

fn primes_below(end: u32) -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    for candidate in 2..end {
        let is_prime = primes
            .iter()
            .take_while(|prime| *prime * *prime <= candidate)
            .all(|prime| candidate % prime != 0);
        if is_prime {
            primes.push(candidate);
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c083_each_weakness_of_a_modulus_is_seen() {
        let power = |exponent| BigUint::from(2_u32).pow(exponent);
        let mersenne = |exponent| power(exponent) - 1_u32;
        assert!(is_probably_prime(&mersenne(2203)));
        assert!(!is_probably_prime(&(mersenne(1279) * mersenne(607))));
        assert!(has_small_factor(&(mersenne(2203) * 65_521_u32)));
        assert!(!has_small_factor(&mersenne(2203)));
        for exponent in [2, 3, 5, 127] {
            assert!(is_power(&(mersenne(19).pow(exponent))), "{exponent}");
        }
        assert!(!is_power(&(mersenne(1279) * mersenne(607))));
        assert!(has_close_factors(
            &(mersenne(1279) * (mersenne(1279) + 500_u32))
        ));
        assert!(!has_close_factors(&(mersenne(1279) * mersenne(607))));
        let product = ROCA.iter().fold(BigUint::from(1_u32), |all, p| all * *p);
        assert!(has_roca_residues(&(product * power(1000) + 1_u32)));
        assert!(!has_roca_residues(&(mersenne(1279) * mersenne(607))));
        assert_eq!(primes_below(20), [2, 3, 5, 7, 11, 13, 17, 19]);
    }
}
