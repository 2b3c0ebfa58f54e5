//! Opening a directory, and what to say and do about one that cannot be opened.

use std::{
    error::Error,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::DirBuilderExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::engine::Engine;

/// The file that the storage library locks while it has a directory open.
const LOCK: &str = "lock";

/// Why the store could not be opened, or not set aside.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the directory.
    #[error(
        "the state directory {} is in use by another process; stop that process, give this one \
         a directory of its own, or let both share a Redis server",
        directory.display()
    )]
    Locked {
        /// The directory that was asked for.
        directory: PathBuf,
    },
    /// Its files are not what the store wrote.
    #[error(
        "the state directory {} is damaged. It holds what is short-lived: sign-ins, codes, refresh \
         tokens, counters; accounts, clients and keys are elsewhere. `countersign state reset` puts it \
         aside and begins an empty one: people sign in again, refresh tokens end, nothing that was \
         revoked comes back",
        directory.display()
    )]
    Damaged {
        /// The directory that was asked for.
        directory: PathBuf,
        /// What the storage library found.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The directory cannot be used.
    #[error("the state directory {} cannot be opened", directory.display())]
    Failed {
        /// The directory that was asked for.
        directory: PathBuf,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl OpenError {
    fn failed(directory: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed {
            directory: directory.to_owned(),
            source: source.into(),
        }
    }
}

/// Opens the tables in `directory`, which is made if need be.
pub(super) fn open(directory: &Path) -> Result<Engine, OpenError> {
    make(directory).map_err(|error| OpenError::failed(directory, error))?;
    // The library panics over some damages.
    let opened = catch_unwind(AssertUnwindSafe(|| Engine::open(directory)));
    let error = match opened {
        Ok(Ok(engine)) => return Ok(engine),
        Ok(Err(error)) => error,
        Err(_) => fjall::Error::Unrecoverable,
    };
    let directory = directory.to_owned();
    Err(match cause(&error) {
        Cause::Locked => OpenError::Locked { directory },
        Cause::Damage => OpenError::Damaged {
            directory,
            source: error.into(),
        },
        Cause::System => OpenError::Failed {
            directory,
            source: error.into(),
        },
    })
}

/// Puts the directory aside, for whoever wants to look into it, and makes an empty one in its place.
/// Returns where it is now; nothing if there was none, or nothing in it.
pub fn set_aside(directory: &Path, suffix: &str) -> Result<Option<PathBuf>, OpenError> {
    let failed = |error| OpenError::failed(directory, error);
    let Some(_lock) = hold(directory)? else {
        return Ok(None);
    };
    let mut name = directory.as_os_str().to_owned();
    name.push(suffix);
    let aside = PathBuf::from(name);
    fs::rename(directory, &aside).map_err(failed)?;
    make(directory).map_err(failed)?;
    Ok(Some(aside))
}

/// The lock of a directory that has something in it: as long as it is held no server works with it.
pub fn hold(directory: &Path) -> Result<Option<File>, OpenError> {
    let failed = |error| OpenError::failed(directory, error);
    match fs::read_dir(directory).map(|mut entries| entries.next().is_none()) {
        Ok(true) => return Ok(None),
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true);
    let file = options.open(directory.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            directory: directory.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn make(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory)
}

enum Cause {
    Locked,
    Damage,
    /// Rights, room, a device: nothing that an empty directory would mend.
    System,
}

fn cause(error: &fjall::Error) -> Cause {
    if matches!(error, fjall::Error::Locked) {
        return Cause::Locked;
    }
    match io_error(error).map(io::Error::kind) {
        // A file that is shorter than it was, gone, or full of something else.
        None
        | Some(
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists,
        ) => Cause::Damage,
        Some(_) => Cause::System,
    }
}

/// What the operating system said, if it was asked in vain.
fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        next = error.source();
    }
    None
}
