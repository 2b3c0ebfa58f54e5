//! The key-encryption key: what seals secrets in the database, and the root of every other key of
//! this installation.
//!
//! It is a file of 32 random bytes that only its owner may read. Nothing is encrypted with it
//! directly; each use has a key of its own (HKDF-SHA256, RFC 5869).

use std::{
    fmt, fs, io,
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

pub use crate::application::ports::{Place, Unopened};
use crate::application::ports::{Rng, Sealer};

/// Bytes of the key.
const KEY: usize = 32;
/// Bytes of an `XChaCha20` nonce: long enough to be drawn at random.
const NONCE: usize = 24;
/// The first byte of everything sealed, so that a later format can be told apart.
const FORMAT: u8 = 1;
/// The file's name in the keys directory.
pub const FILE: &str = "kek";

/// The key-encryption key.
pub struct Kek(Zeroizing<[u8; KEY]>);

/// Why there is no key-encryption key.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// Others than the owner may read the file (or the link to it).
    #[error("{0} can be read by others than its owner; run: chmod 600 {0}")]
    Exposed(PathBuf),
    /// The file is not a key.
    #[error("{0} must hold exactly 32 bytes, as `head -c 32 /dev/urandom` makes them")]
    Malformed(PathBuf),
    /// The file is gone, but not what was sealed with it.
    #[error(
        "{0} is missing, but signing keys in the database are sealed with it: restore it from your backup; without one, delete every row of the table signing_keys, and everybody signs in again with new keys"
    )]
    Lost(PathBuf),
    /// The file cannot be used.
    #[error("{0} cannot be used")]
    Io(PathBuf, #[source] io::Error),
}

/// Seals for the use cases.
pub struct Seal {
    /// The key.
    pub kek: Arc<Kek>,
    /// Nonces.
    pub rng: Arc<dyn Rng>,
}

impl Sealer for Seal {
    fn seal(&self, place: &Place<'_>, secret: &[u8]) -> Vec<u8> {
        self.kek.seal(&*self.rng, place, secret)
    }

    fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        self.kek.open(place, sealed)
    }
}

impl Kek {
    /// Reads the key from a file that the operator provides.
    pub fn load(file: &Path) -> Result<Self, KekError> {
        let failed = |error| KekError::Io(file.to_owned(), error);
        let mut handle = fs::File::open(file).map_err(failed)?;
        // Of the open file, not of the path: nobody can exchange it in between.
        let metadata = handle.metadata().map_err(failed)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(KekError::Exposed(file.to_owned()));
        }
        if metadata.len() != KEY as u64 {
            return Err(KekError::Malformed(file.to_owned()));
        }
        let mut key = Zeroizing::new([0; KEY]);
        handle.read_exact(&mut *key).map_err(failed)?;
        Ok(Self(key))
    }

    /// Whether the keys directory has a key; an error names its file where it should have.
    pub fn must_be_in(directory: &Path) -> Result<(), KekError> {
        let file = directory.join(FILE);
        if file.exists() {
            Ok(())
        } else {
            Err(KekError::Lost(file))
        }
    }

    /// Reads the key from the keys directory, and makes both where they do not exist. Of several
    /// processes that start at once one makes the key, and all use that one.
    pub fn load_or_create(directory: &Path, rng: &dyn Rng) -> Result<Self, KekError> {
        let file = directory.join(FILE);
        if !file.exists() {
            create(directory, &file, rng).map_err(|error| KekError::Io(file.clone(), error))?;
        }
        Self::load(&file)
    }

    /// Encrypts `secret` for one place in the database.
    pub fn seal(&self, rng: &dyn Rng, place: &Place<'_>, secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill(&mut nonce);
        let payload = Payload {
            msg: secret,
            aad: &place.associated_data(),
        };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        // Only a plaintext beyond 256 GiB is refused; what is empty never opens.
        let sealed = sealed.unwrap_or_default();
        [&[FORMAT][..], &nonce, &sealed].concat()
    }

    /// Decrypts what was sealed for this place.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (format, rest) = sealed.split_first().ok_or(Unopened)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(Unopened)?;
        if *format != FORMAT {
            return Err(Unopened);
        }
        let payload = Payload {
            msg: ciphertext,
            aad: &place.associated_data(),
        };
        let opened = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| Unopened)
    }

    /// A key for one purpose: always the same one, and it tells nothing of any other.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let derivation = Hkdf::<Sha256>::new(Some(b"countersign"), &*self.0);
        // HKDF yields up to 255 blocks (RFC 5869 §2.3) and this is one: it cannot fail.
        let derived = derivation.expand(purpose.as_bytes(), &mut key);
        debug_assert!(derived.is_ok());
        key
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key = Zeroizing::new(self.derive("seal"));
        XChaCha20Poly1305::new((&*key).into())
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(…)")
    }
}

impl Place<'_> {
    /// The three names, each after its length, so that no two places look alike.
    fn associated_data(&self) -> Vec<u8> {
        [self.table, self.column, self.row]
            .iter()
            .flat_map(|name| {
                let length = (name.len() as u64).to_be_bytes();
                length.into_iter().chain(name.bytes())
            })
            .collect()
    }
}

/// Writes the key to a file of its own and then links it to its name, which only one process can:
/// nobody ever sees half a key, not even after a crash.
fn create(directory: &Path, file: &Path, rng: &dyn Rng) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut key = Zeroizing::new([0; KEY]);
    rng.fill(&mut *key);
    let mut suffix = [0; 8];
    rng.fill(&mut suffix);
    let draft = directory.join(format!("{FILE}.{:016x}", u64::from_be_bytes(suffix)));
    let linked = write(&draft, &*key).and_then(|()| fs::hard_link(&draft, file));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::File::open(directory)?.sync_all(),
    }
}

fn write(file: &Path, key: &[u8]) -> io::Result<()> {
    let mut handle = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    handle.write_all(key)?;
    handle.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )]
    use std::{collections::HashSet, sync::Barrier, thread};

    use proptest::prelude::*;

    use super::*;
    use crate::infrastructure::random::SystemRng;

    const PLACE: Place<'_> = Place {
        table: "signing_keys",
        column: "sealed_private",
        row: "1",
    };

    fn kek(byte: u8) -> Kek {
        Kek(Zeroizing::new([byte; KEY]))
    }

    #[test]
    fn sixteen_processes_that_start_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        let barrier = Barrier::new(16);
        let keys: HashSet<[u8; KEY]> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        *Kek::load_or_create(&directory, &SystemRng).unwrap().0
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(keys.len(), 1);
        let names: Vec<_> = fs::read_dir(&directory).unwrap().collect();
        assert_eq!(names.len(), 1, "no drafts are left behind");
    }

    #[test]
    fn the_file_is_for_its_owner_only_and_survives() {
        let folder = tempfile::tempdir().unwrap();
        let first = Kek::load_or_create(folder.path(), &SystemRng).unwrap();
        let mode = fs::metadata(folder.path().join(FILE))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let again = Kek::load_or_create(folder.path(), &SystemRng).unwrap();
        assert_eq!(first.0, again.0);
    }

    #[test]
    fn a_file_of_another_length_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 31, 33, 64] {
            let file = folder.path().join(length.to_string());
            write(&file, &vec![1; length]).unwrap();
            assert!(matches!(Kek::load(&file), Err(KekError::Malformed(_))));
        }
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        assert_eq!(kek(1).derive("a"), kek(1).derive("a"));
        assert_ne!(kek(1).derive("a"), kek(1).derive("b"));
        assert_ne!(kek(1).derive("a"), kek(2).derive("a"));
    }

    #[test]
    fn what_is_sealed_opens_only_in_its_place() {
        let sealed = kek(1).seal(&SystemRng, &PLACE, b"secret");
        assert_eq!(kek(1).open(&PLACE, &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(kek(2).open(&PLACE, &sealed), Err(Unopened));
        for place in [
            Place { row: "2", ..PLACE },
            Place {
                table: "signing_key",
                column: "ssealed_private",
                ..PLACE
            },
        ] {
            assert_eq!(kek(1).open(&place, &sealed), Err(Unopened));
        }
    }

    proptest! {
        #[test]
        fn no_changed_byte_opens(secret: Vec<u8>, at: prop::sample::Index, flip in 1_u8..) {
            let mut sealed = kek(1).seal(&SystemRng, &PLACE, &secret);
            prop_assert_eq!(&*kek(1).open(&PLACE, &sealed).unwrap(), &secret);
            let at = at.index(sealed.len());
            sealed[at] ^= flip;
            prop_assert_eq!(kek(1).open(&PLACE, &sealed), Err(Unopened));
            prop_assert_eq!(kek(1).open(&PLACE, &sealed[..at]), Err(Unopened));
        }
    }
}
