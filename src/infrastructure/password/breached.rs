//! Stolen passwords: a file of SHA-1 digests that is searched where it lies. It may have forty gigabytes;
//! none of it is kept in memory, and a question reads some forty pages.
//!
//! The form is that of the Pwned Passwords downloads "ordered by hash": a line for each, forty
//! hexadecimal digits, then perhaps a colon and a number that is not looked at.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use sha1::{Digest as _, Sha1};

/// Hexadecimal digits of a digest.
const DIGITS: usize = 40;
/// Bytes of a line at most, with its end.
const LONGEST: u64 = 64;

/// An open list.
#[derive(Debug)]
pub struct BreachedPasswords {
    file: File,
    length: u64,
}

/// A line: where it begins, where the next one does, and its digest in upper case.
struct Line {
    start: u64,
    end: u64,
    digest: [u8; DIGITS],
}

impl BreachedPasswords {
    /// Opens the list. An error if its first and last lines are no digests, or stand in the wrong order.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let this = Self { file, length };
        let (first, last) = (this.line_at(0)?, this.line_at(length.saturating_sub(1))?);
        if first.digest > last.digest {
            return Err(invalid("it is not sorted by hash"));
        }
        Ok(this)
    }

    /// Whether `password` is in it.
    pub fn holds(&self, password: &str) -> io::Result<bool> {
        let wanted = hex(&Sha1::digest(password.as_bytes()));
        // Its line begins at or after `low`, and before `high`.
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let line = self.line_at(low.midpoint(high))?;
            match wanted.as_slice().cmp(&line.digest) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => high = line.start,
                std::cmp::Ordering::Greater => low = line.end,
            }
        }
        Ok(false)
    }

    /// The line that the byte at `position` belongs to.
    fn line_at(&self, position: u64) -> io::Result<Line> {
        let from = position.saturating_sub(LONGEST);
        let window = self.read(from, position.saturating_add(LONGEST).min(self.length))?;
        let middle = usize::try_from(position - from).map_err(io::Error::other)?;
        let (before, after) = window.split_at_checked(middle).ok_or_else(too_short)?;
        let newline = |byte: &u8| *byte == b'\n';
        let start = before.iter().rposition(newline).map_or(0, |at| at + 1);
        if start == 0 && from > 0 {
            return Err(invalid("a line is too long"));
        }
        let end = match after.iter().position(newline) {
            Some(at) => middle + at + 1,
            None => window.len(),
        };
        let line = window.get(start..end).ok_or_else(too_short)?;
        let digest = line.first_chunk::<DIGITS>().ok_or_else(too_short)?;
        if !digest.iter().all(u8::is_ascii_hexdigit) {
            return Err(invalid("a line does not begin with 40 hexadecimal digits"));
        }
        Ok(Line {
            start: from + start as u64,
            end: from + end as u64,
            digest: digest.map(|digit| digit.to_ascii_uppercase()),
        })
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(to.saturating_sub(from)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }
}

fn hex(digest: &[u8]) -> Vec<u8> {
    digest
        .iter()
        .flat_map(|byte| format!("{byte:02X}").into_bytes())
        .collect()
}

fn too_short() -> io::Error {
    invalid("a line is too short to be a SHA-1 digest")
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fmt::Write as _;

    use super::*;

    fn list(
        line_end: &str,
        count: impl Fn(usize) -> String,
    ) -> (tempfile::TempDir, BreachedPasswords) {
        let mut digests: Vec<String> = (0..500)
            .map(|n| String::from_utf8(hex(&Sha1::digest(format!("stolen {n}")))).unwrap())
            .collect();
        digests.sort();
        let mut text = String::new();
        for (n, digest) in digests.iter().enumerate() {
            write!(text, "{digest}{}{line_end}", count(n)).unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("stolen.txt");
        std::fs::write(&file, text).unwrap();
        let list = BreachedPasswords::open(&file).unwrap();
        (directory, list)
    }

    #[test]
    fn every_stolen_password_is_found_and_no_other() {
        let counted = |n: usize| format!(":{}", 7_u64.pow(u32::try_from(n % 11).unwrap()));
        for (_directory, list) in [
            list("\r\n", counted),
            list("\n", counted),
            list("\n", |_| String::new()),
        ] {
            for n in 0..500 {
                assert!(list.holds(&format!("stolen {n}")).unwrap(), "{n}");
                assert!(!list.holds(&format!("mine {n}")).unwrap(), "{n}");
            }
        }
    }

    #[test]
    fn a_file_that_is_no_such_list_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("list");
        let (a, b) = ("A".repeat(40), "B".repeat(40));
        for text in [
            String::new(),
            "password\nqwerty\n".to_owned(),
            format!("{b}:1\n{a}:1\n"),
            format!("{a}{}\n", "1".repeat(100)),
        ] {
            std::fs::write(&file, &text).unwrap();
            assert!(BreachedPasswords::open(&file).is_err(), "{text:?}");
        }
        std::fs::write(&file, format!("{a}:1\n{b}:1")).unwrap();
        assert!(BreachedPasswords::open(&file).is_ok());
    }
}
