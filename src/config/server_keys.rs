//! The key pairs of the server.

use std::{collections::BTreeSet, fmt::Display, path::PathBuf, time::Duration};

use super::reader::Reader;
use crate::{
    domain::algorithm::{EncryptionKey, KeyAlgorithm, SigningAlgorithm},
    infrastructure::kek,
};

/// Signing keys.
#[derive(Clone, Debug)]
pub struct KeyConfig {
    /// Where the key-encryption key and keys to import are.
    pub directory: PathBuf,
    /// The key-encryption key, if not in `directory`.
    pub kek_file: Option<PathBuf>,
    /// How long a key signs.
    pub rotation: Duration,
    /// For which algorithms there are keys.
    pub algorithms: BTreeSet<SigningAlgorithm>,
    /// For which kinds of encryption there are keys.
    pub encryption: BTreeSet<EncryptionKey>,
    /// The one of access tokens.
    pub access_token_algorithm: SigningAlgorithm,
}

impl KeyConfig {
    /// What there are keys for.
    pub fn every(&self) -> Vec<KeyAlgorithm> {
        let signing = self.algorithms.iter().copied().map(KeyAlgorithm::Signing);
        let encryption = self.encryption.iter().copied();
        signing
            .chain(encryption.map(KeyAlgorithm::Encryption))
            .collect()
    }

    /// The file of the key-encryption key, whether it is there or not.
    pub fn kek_path(&self) -> PathBuf {
        let usual = || self.directory.join(kek::FILE);
        self.kek_file.clone().unwrap_or_else(usual)
    }
}

pub(super) fn read(r: &mut Reader) -> Option<KeyConfig> {
    let algorithm = |text: &str| {
        text.parse::<SigningAlgorithm>()
            .map_err(|_| one_of(SigningAlgorithm::ALL))
    };
    let directory = r.path("keys.directory");
    let kek_file = r.path("keys.kek_file");
    let rotation = r.duration("keys.rotation");
    let algorithms = r.list("keys.algorithms", algorithm);
    let encryption = r.list("keys.encryption", |text| {
        text.parse::<EncryptionKey>()
            .map_err(|_| one_of(EncryptionKey::ALL))
    });
    let access_token_algorithm = r.with("keys.access_token_algorithm", algorithm);
    let algorithms: BTreeSet<_> = algorithms?.into_iter().collect();
    if !algorithms.contains(&SigningAlgorithm::Rs256) {
        return r.problem(
            "keys.algorithms",
            "lacks RS256",
            "add it: OpenID Connect Discovery section 3 makes every provider offer it",
        );
    }
    let access_token_algorithm = access_token_algorithm?;
    if !algorithms.contains(&access_token_algorithm) {
        return r.problem(
            "keys.access_token_algorithm",
            "is not among keys.algorithms",
            "add it there or choose another",
        );
    }
    Some(KeyConfig {
        directory: directory?,
        kek_file,
        rotation: rotation?,
        algorithms,
        encryption: encryption?.into_iter().collect(),
        access_token_algorithm,
    })
}

fn one_of(names: &[impl Display]) -> String {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    format!("choose among {}", names.join(", "))
}
