//! What may be chosen as a password (OWASP ASVS 5.0 V6.2, NIST SP 800-63B-4 §3.1.1.2): long enough, not
//! one of the common ones, and not made of words that anybody would try here. Nothing is asked about
//! its composition (ADR 48).

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::user::User;

/// Characters of a password at least (ASVS 6.2.1), and what must be left of it without the words that
/// anybody would try here.
pub const LEAST_CHARACTERS: usize = 8;
/// Characters of a password at most (ASVS 6.2.9 asks that 64 be permitted).
pub const MOST_CHARACTERS: usize = 128;
/// Bytes of a password at most, before anything else is done with it: 128 characters have at most 512
/// in NFC, and may come taken apart.
pub const MOST_BYTES: usize = 1024;
/// Shorter words are in too many passwords by chance.
const LEAST_WORD: usize = 3;
/// Bytes of a digest that the list of common passwords keeps. Four make one of 370,000 other passwords
/// look common, and cost a third of the text.
const PREFIX: usize = 4;
/// The digests' beginnings, sorted; written by `scripts/common-passwords`.
const COMMON: &[u8] = include_bytes!("common_passwords.bin");

/// Why a text is not taken as a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Fewer than [`LEAST_CHARACTERS`].
    #[error("must have at least {} characters", LEAST_CHARACTERS)]
    TooShort,
    /// More than [`MOST_CHARACTERS`], or [`MOST_BYTES`].
    #[error("must have at most {} characters", MOST_CHARACTERS)]
    TooLong,
    /// Among the first that anybody tries.
    #[error("is one of the most common passwords: choose one that nobody would guess")]
    Common,
    /// Little more than the user's name, address, or the name of this site.
    #[error("must not be made of your name, your email address or the name of this site")]
    Guessable,
    /// On the operator's list of stolen passwords.
    #[error("was stolen somewhere and published: choose one that you use nowhere else")]
    Breached,
}

/// Whether `password` may be chosen by somebody to whom `words` belong.
pub fn check(password: &str, words: &[String]) -> Result<(), Unfit> {
    if password.len() > MOST_BYTES {
        return Err(Unfit::TooLong);
    }
    let text = normalize(password);
    let length = text.chars().count();
    if length < LEAST_CHARACTERS {
        return Err(Unfit::TooShort);
    }
    if length > MOST_CHARACTERS {
        return Err(Unfit::TooLong);
    }
    let folded = Zeroizing::new(text.to_lowercase());
    if is_common(&folded) {
        return Err(Unfit::Common);
    }
    if is_made_of(&folded, words) {
        return Err(Unfit::Guessable);
    }
    Ok(())
}

/// A password as it is hashed and looked up: NFC, so that the same keys on another system produce the
/// same password.
pub fn normalize(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfc().collect())
}

/// Words that anybody would try on this user: name, address, and their parts.
pub fn words_of(user: &User) -> Vec<String> {
    let profile = &user.profile;
    let names = [
        &profile.first_name,
        &profile.last_name,
        &profile.full_name,
        &profile.nickname,
    ];
    let names = names.into_iter().flatten().map(String::as_str);
    let mut words: Vec<String> = names
        .chain([user.username.as_str()])
        .flat_map(with_parts)
        .collect();
    if let Some((local, domain)) = user
        .email
        .as_ref()
        .and_then(|email| email.as_str().split_once('@'))
    {
        words.extend(with_parts(local));
        words.extend(words_of_host(domain));
    }
    words
}

/// The labels of a host's name without the last, which says nothing.
pub fn words_of_host(host: &str) -> Vec<String> {
    let labels: Vec<&str> = host.split('.').collect();
    let telling = labels.len().saturating_sub(1).max(1);
    labels
        .into_iter()
        .take(telling)
        .flat_map(with_parts)
        .chain([folded(host)])
        .collect()
}

/// The words of a product's name.
pub fn words_of_name(name: &str) -> Vec<String> {
    with_parts(name)
}

fn with_parts(text: &str) -> Vec<String> {
    let text = folded(text);
    let parts = text.split(|c: char| !c.is_alphanumeric());
    let parts = parts.filter(|part| *part != text).map(str::to_owned);
    parts.chain([text.clone()]).collect()
}

fn folded(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase()
}

fn is_common(folded: &str) -> bool {
    let digest = Sha256::digest(folded.as_bytes());
    let (prefixes, _) = COMMON.as_chunks::<PREFIX>();
    digest
        .first_chunk::<PREFIX>()
        .is_some_and(|prefix| prefixes.binary_search(prefix).is_ok())
}

/// Whether too little is left without the words. A long password may well contain one.
fn is_made_of(password: &str, words: &[String]) -> bool {
    let mut words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| word.chars().count() >= LEAST_WORD)
        .collect();
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = Zeroizing::new(password.to_owned());
    for word in words {
        // What comes before and after must not grow together into another word.
        rest = Zeroizing::new(rest.replace(word, "\0"));
    }
    rest.len() != password.len() && rest.chars().filter(|c| *c != '\0').count() < LEAST_CHARACTERS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn check_plain(password: &str) -> Result<(), Unfit> {
        check(password, &[])
    }

    #[test]
    fn eight_to_128_characters_make_a_password_whatever_they_are() {
        assert_eq!(check_plain("kx9 qv!"), Err(Unfit::TooShort));
        assert_eq!(check_plain("kx9 qv!z"), Ok(()));
        assert_eq!(
            check_plain("zzqqvvxxkkjj"),
            Ok(()),
            "no rules of composition"
        );
        assert_eq!(check_plain(&"é".repeat(128)), Ok(()));
        assert_eq!(check_plain(&"é".repeat(129)), Err(Unfit::TooLong));
    }

    #[test]
    fn characters_are_counted_once_composed() {
        // Seven letters with an accent each, typed as two code points.
        assert_eq!(check_plain(&"e\u{301}".repeat(7)), Err(Unfit::TooShort));
        assert_eq!(check_plain(&"e\u{301}".repeat(128)), Ok(()));
    }

    #[test]
    fn c148_what_is_longer_than_a_kilobyte_is_not_even_normalized() {
        assert_eq!(check_plain(&"e\u{301}".repeat(342)), Err(Unfit::TooLong));
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for common in [
            "password",
            "PassWord",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "1qaz2wsx",
        ] {
            assert_eq!(check_plain(common), Err(Unfit::Common), "{common}");
        }
        assert_eq!(check_plain("correct horse battery staple"), Ok(()));
    }

    #[test]
    fn the_list_of_common_passwords_is_sorted_and_small() {
        let (prefixes, rest) = COMMON.as_chunks::<PREFIX>();
        assert!(rest.is_empty() && prefixes.is_sorted());
        assert!((3_000..20_000).contains(&prefixes.len()));
        assert!(COMMON.len() < 64 * 1024, "{}", COMMON.len());
    }

    #[test]
    fn little_more_than_a_known_word_is_refused() {
        let words: Vec<String> = ["alice", "wonderland.example", "wonderland", "countersign"]
            .map(str::to_owned)
            .to_vec();
        for guess in [
            "Alice-2026!",
            "wonderland1",
            "CounterSign99",
            "alicewonderland",
        ] {
            assert_eq!(check(guess, &words), Err(Unfit::Guessable), "{guess}");
        }
        assert_eq!(check("alice likes seven horses", &words), Ok(()));
        assert_eq!(check("kx9 qv!z", &words), Ok(()));
    }

    #[test]
    fn a_host_s_last_label_is_no_word() {
        let words = words_of_host("id.ex-ample.com");
        for word in ["ex-ample", "ample", "id.ex-ample.com"] {
            assert!(words.iter().any(|it| it == word), "{word}");
        }
        assert!(!words.iter().any(|it| it == "com"));
    }
}
