//! The directory of a backup: its files, and a list of their digests that comes last.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cli::CliError;

/// The copy of the database.
pub(super) const DATABASE: &str = "database";
/// The copy of the embedded state.
pub(super) const STATE: &str = "state";
/// The list; a backup without it was interrupted.
const LIST: &str = "backup.json";

/// What is in a backup.
#[derive(Serialize, Deserialize)]
struct List {
    /// The version of countersign that wrote it.
    version: String,
    /// SHA-256 of each file (base64url), by its path below the directory.
    files: BTreeMap<String, String>,
}

/// A backup.
pub(super) struct Archive {
    directory: PathBuf,
    files: BTreeMap<String, String>,
}

impl Archive {
    /// Begins one in a directory that is not there yet, or empty.
    pub(super) fn begin(directory: &Path) -> Result<Self, CliError> {
        must_be_free(directory)?;
        make(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            files: BTreeMap::new(),
        })
    }

    /// Opens one, and compares every file with the list.
    pub(super) fn open(directory: &Path) -> Result<Self, CliError> {
        let list = directory.join(LIST);
        let text = fs::read(&list).map_err(|error| {
            failed(&list, &error).hint("a backup without its list was interrupted, or is none")
        })?;
        let list: List = serde_json::from_slice(&text)
            .map_err(|error| CliError::failed(format!("{} is damaged: {error}", list.display())))?;
        let found = digests(directory)?;
        for (name, digest) in &list.files {
            if found.get(name) != Some(digest) {
                return Err(CliError::failed(format!(
                    "{} is missing or not what was written",
                    directory.join(name).display()
                )));
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            files: list.files,
        })
    }

    /// Where a part is.
    pub(super) fn path(&self, part: &str) -> PathBuf {
        self.directory.join(part)
    }

    /// Whether it has this part.
    pub(super) fn has(&self, part: &str) -> bool {
        self.files
            .keys()
            .any(|name| name.split('/').next() == Some(part))
    }

    /// The files by name.
    pub(super) fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// Writes the list: the backup is complete.
    pub(super) fn seal(&mut self) -> Result<(), CliError> {
        self.files = digests(&self.directory)?;
        let list = List {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            files: self.files.clone(),
        };
        let text = serde_json::to_vec_pretty(&list)
            .map_err(|error| CliError::failed(error.to_string()))?;
        let path = self.directory.join(LIST);
        fs::write(&path, text).map_err(|error| failed(&path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("{}: {error}", path.display()))
}

/// Refuses to write over anything.
pub(super) fn must_be_free(path: &Path) -> Result<(), CliError> {
    let is_empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !path.exists(),
    };
    if is_empty {
        return Ok(());
    }
    Err(
        CliError::exists(format!("there is something at {}", path.display()))
            .hint("move it away first; nothing is written over"),
    )
}

/// Makes a directory for nobody but us.
pub(super) fn make(directory: &Path) -> Result<(), CliError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed(directory, &error))
}

/// Copies a file for nobody but us, to where none is.
pub(super) fn copy_private(from: &Path, to: &Path) -> Result<(), CliError> {
    let copied = || {
        let mut source = File::open(from)?;
        let mut options = fs::OpenOptions::new();
        let mut target = options.write(true).create_new(true).mode(0o600).open(to)?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()
    };
    copied().map_err(|error: io::Error| failed(to, &error))
}

/// Copies a directory with all below it.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), CliError> {
    make(to)?;
    for entry in entries(from)? {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            copy_private(&source, &target)?;
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<fs::DirEntry>, CliError> {
    fs::read_dir(directory)
        .and_then(Iterator::collect)
        .map_err(|error| failed(directory, &error))
}

/// The digest of every file, but for the list.
fn digests(directory: &Path) -> Result<BTreeMap<String, String>, CliError> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in entries(&next)? {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(directory).unwrap_or(&path);
            let name = name.to_string_lossy().into_owned();
            if name != LIST {
                let digest = digest(&path).map_err(|error| failed(&path, &error))?;
                all.insert(name, digest);
            }
        }
    }
    Ok(all)
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(URL_SAFE_NO_PAD.encode(hasher.finalize())),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}
