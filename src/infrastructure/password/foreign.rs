//! Password hashes that other software made, for accounts that come from there. Each is checked as it is and
//! replaced by one of ours at the next login.
//!
//! Known are bcrypt (`$2a$`, `$2b$`, `$2y$`), PBKDF2 with SHA-1, SHA-256 or SHA-512 (RFC 8018; PHC strings
//! `$pbkdf2-sha256$i=…$salt$hash` and passlib's), and scrypt (RFC 7914; `$scrypt$ln=…,r=…,p=…$salt$hash`).
//! A hash that would cost more than a login may is not known.

use base64::{
    Engine as _, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig},
    },
};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The highest cost of bcrypt: a second or so.
const MOST_BCRYPT: u32 = 14;
/// Rounds of PBKDF2 at most.
const MOST_ROUNDS: u32 = 2_000_000;
/// Bytes of memory of scrypt at most.
const MOST_SCRYPT: u64 = 256 * 1024 * 1024;
/// Lanes of scrypt at most.
const MOST_LANES: u32 = 16;
/// Bytes of a hash, and of a salt.
const OUTPUT: std::ops::RangeInclusive<usize> = 16..=64;
const SALT: std::ops::RangeInclusive<usize> = 1..=128;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A hash of one of the known kinds.
#[derive(Debug)]
pub(super) enum Foreign {
    Bcrypt(String),
    Pbkdf2 {
        prf: Prf,
        rounds: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Scrypt {
        parameters: scrypt::Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
}

/// The hash function under the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

impl Foreign {
    /// Reads a hash; none if it is of no known kind, or too dear.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let kind = text.strip_prefix('$')?.split('$').next()?;
        match kind {
            "2a" | "2b" | "2y" => bcrypt_hash(text),
            "pbkdf2" | "pbkdf2-sha1" => pbkdf2_hash(text, Prf::Sha1),
            "pbkdf2-sha256" => pbkdf2_hash(text, Prf::Sha256),
            "pbkdf2-sha512" => pbkdf2_hash(text, Prf::Sha512),
            "scrypt" => scrypt_hash(text),
            _ => None,
        }
    }

    /// Whether it is the hash of this password, byte by byte as it was typed.
    pub(super) fn is_of(&self, password: &str) -> bool {
        let password = password.as_bytes();
        let (expected, computed) = match self {
            Self::Bcrypt(hash) => return bcrypt::verify(password, hash).unwrap_or(false),
            Self::Pbkdf2 {
                prf,
                rounds,
                salt,
                output,
            } => {
                let mut computed = Zeroizing::new(vec![0; output.len()]);
                match prf {
                    Prf::Sha1 => {
                        pbkdf2::pbkdf2_hmac::<sha1::Sha1>(password, salt, *rounds, &mut computed);
                    }
                    Prf::Sha256 => {
                        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut computed);
                    }
                    Prf::Sha512 => {
                        pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, *rounds, &mut computed);
                    }
                }
                (output, computed)
            }
            Self::Scrypt {
                parameters,
                salt,
                output,
            } => {
                let mut computed = Zeroizing::new(vec![0; output.len()]);
                if scrypt::scrypt(password, salt, parameters, &mut computed).is_err() {
                    return false;
                }
                (output, computed)
            }
        };
        bool::from(expected.ct_eq(&computed))
    }
}

fn bcrypt_hash(text: &str) -> Option<Foreign> {
    let parts: bcrypt::HashParts = text.parse().ok()?;
    let is_whole = text.len() == 60;
    (is_whole && parts.get_cost() <= MOST_BCRYPT).then(|| Foreign::Bcrypt(text.to_owned()))
}

/// `$pbkdf2-sha256$i=600000,l=32$salt$hash`, or passlib's `$pbkdf2-sha256$600000$salt$hash`.
fn pbkdf2_hash(text: &str, prf: Prf) -> Option<Foreign> {
    let [parameters, salt, output] = parts(text)?;
    let rounds = match parameters.split(',').find_map(|it| it.strip_prefix("i=")) {
        Some(rounds) => rounds.parse().ok()?,
        None => parameters.parse().ok()?,
    };
    if !(1..=MOST_ROUNDS).contains(&rounds) {
        return None;
    }
    let (salt, output) = (salt_of(salt)?, output_of(output)?);
    Some(Foreign::Pbkdf2 {
        prf,
        rounds,
        salt,
        output,
    })
}

/// `$scrypt$ln=16,r=8,p=1$salt$hash`
fn scrypt_hash(text: &str) -> Option<Foreign> {
    let [parameters, salt, output] = parts(text)?;
    let number = |name: &str| -> Option<u32> {
        let mut all = parameters.split(',').filter_map(|it| it.split_once('='));
        all.find(|(known, _)| *known == name)?.1.parse().ok()
    };
    let (log_n, r, p) = (number("ln")?, number("r")?, number("p")?);
    let memory = 128_u64
        .checked_mul(u64::from(r))?
        .checked_mul(1_u64.checked_shl(log_n)?)?;
    if memory > MOST_SCRYPT || !(1..=MOST_LANES).contains(&p) {
        return None;
    }
    let (salt, output) = (salt_of(salt)?, output_of(output)?);
    let parameters = scrypt::Params::new(u8::try_from(log_n).ok()?, r, p).ok()?;
    Some(Foreign::Scrypt {
        parameters,
        salt,
        output,
    })
}

/// What stands after the kind.
fn parts(text: &str) -> Option<[&str; 3]> {
    let mut parts = text.split('$').skip(2);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

fn salt_of(text: &str) -> Option<Vec<u8>> {
    decode(text).filter(|salt| SALT.contains(&salt.len()))
}

fn output_of(text: &str) -> Option<Vec<u8>> {
    decode(text).filter(|output| OUTPUT.contains(&output.len()))
}

/// passlib writes `.` for `+`.
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('.', "+")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Made by other software: Python's bcrypt and hashlib (OpenSSL).
    const KNOWN: [(&str, &str); 6] = [
        (
            "correct horse",
            "$2b$06$oHGlkYAXeQVMR.Njlcxoa.QcsRRuoU2hN06gilZjh3xeLRPxoP5QW",
        ),
        (
            "password",
            "$pbkdf2-sha256$i=1000$c2FsdA$YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM",
        ),
        (
            "password",
            "$pbkdf2-sha256$1000$c2FsdA$YywoEuRtRgQQK6dhjp1tfS.BKPYma0oDJk0qBGC33LM",
        ),
        (
            "password",
            "$pbkdf2-sha512$i=1000$c2FsdA$r+bFUweFtsxrHGRTOEcxvV7kMu5Un9QvtmlXea2KHFv1neacSPd078QAfVKY+QM8AkHVq2kwXntk7O642DTP7A",
        ),
        (
            "password",
            "$pbkdf2$1000$c2FsdA$boi.i61.rp2eEKoGEiQDT.1I0D8",
        ),
        (
            "password",
            "$scrypt$ln=10,r=8,p=1$c2FsdA$FtvIkGdjx/BIl3po+dMF93EOBoyizZXas3ISW7Pxlgg",
        ),
    ];

    #[test]
    fn what_costs_too_much_or_is_broken_is_not_known() {
        for text in [
            "",
            "x",
            "$",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA",
            "$2b$31$abcdefghijklmnopqrstuuSIgaMWSOn2vn5ibGaBy2SoFUj7Ka7m.",
            "$2b$10$short",
            "$2b$10$",
            "$pbkdf2-sha256$i=0$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$i=2000001$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$i=1000$c2FsdA$AAAA",
            "$pbkdf2-sha256$i=1000$$AAAAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-md5$i=1000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=30,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=64,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=10,r=8,p=17$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=10,r=0,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=10,r=8$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(Foreign::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_hash_of_other_software_is_of_its_password_only() {
        for (password, hash) in KNOWN {
            let hash = Foreign::parse(hash).unwrap();
            assert!(hash.is_of(password), "{hash:?}");
            for other in ["", "Password", "password ", "correct horses"] {
                assert!(!hash.is_of(other), "{hash:?}");
            }
        }
    }
}
