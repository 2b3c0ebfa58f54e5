//! The files that a configuration names: whether the server could use them. Opens, never writes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::ExposeSecret as _;

use crate::{
    config::{Config, KeyConfig, Problem, StateConfig},
    infrastructure::{kek::Kek, mail::SmtpMailer, password::BreachedPasswords, sql},
    web::server::TlsFiles,
};

/// Everything that is wrong with them.
pub(in crate::cli) fn problems(config: &Config) -> Vec<Problem> {
    let database = sql::sqlite_file(config.database.url.expose_secret());
    [
        tls(config),
        database.and_then(|file| writable("database.url", &file)),
        state(&config.state),
        keys(&config.keys),
        mail(config),
        breached(config),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn problem(key: &str, problem: String, fix: &str) -> Problem {
    Problem {
        key: key.to_owned(),
        problem,
        fix: fix.to_owned(),
    }
}

fn tls(config: &Config) -> Option<Problem> {
    let tls = config.server.tls.clone()?;
    let files = TlsFiles {
        certificate: tls.certificate,
        key: tls.key,
    };
    let error = files.check().err()?;
    let fix = "name a PEM file of a certificate chain and one of its private key";
    Some(problem("tls", error.to_string(), fix))
}

fn state(state: &StateConfig) -> Option<Problem> {
    let options = match state {
        StateConfig::Embedded(directory) => return writable("state.directory", directory),
        StateConfig::Redis(options) => options,
    };
    let file = options.ca_file.as_ref()?;
    let what = match CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
    {
        Ok(found) if !found.is_empty() => return None,
        Ok(_) => "it holds no certificate".to_owned(),
        Err(error) => error.to_string(),
    };
    let what = format!("names {}, which cannot be used: {what}", file.display());
    Some(problem(
        "state.redis_ca_file",
        what,
        "name a PEM file of certificates",
    ))
}

fn keys(keys: &KeyConfig) -> Option<Problem> {
    let name = match &keys.kek_file {
        Some(_) => "keys.kek_file",
        None => "keys.directory",
    };
    let file = keys.kek_path();
    if keys.kek_file.is_none() && !file.exists() {
        return writable(name, &keys.directory);
    }
    let error = Kek::load(&file).err()?;
    let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
    let what = format!(
        "holds no key-encryption key: {error}{}",
        cause.unwrap_or_default()
    );
    Some(problem(
        name,
        what,
        "32 bytes that only the server's user can read",
    ))
}

fn mail(config: &Config) -> Option<Problem> {
    let error = SmtpMailer::new(config.mail.smtp()?).err()?;
    let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
    let what = format!("cannot be used: {error}{}", cause.unwrap_or_default());
    Some(problem(
        "mail.ca_file",
        what,
        "name a PEM file of certificates",
    ))
}

fn breached(config: &Config) -> Option<Problem> {
    let file = config.passwords.breached_file.as_ref()?;
    let error = BreachedPasswords::open(file).err()?;
    let what = format!("names {}, which cannot be used: {error}", file.display());
    Some(problem(
        "passwords.breached_file",
        what,
        "name a file of SHA-1 digests, one a line, ordered by hash",
    ))
}

/// Whether this user could write the file or directory, or make it where it is missing.
fn writable(key: &str, path: &Path) -> Option<Problem> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let nearest: PathBuf = path.ancestors().find(|path| path.exists())?.to_owned();
    let is_missing = nearest != path;
    let what = if is_missing && !nearest.is_dir() {
        "is no directory"
    } else if fs::symlink_metadata(&nearest).is_ok() && access(&nearest, Access::WRITE_OK).is_ok() {
        return None;
    } else {
        "cannot be written"
    };
    let what = format!("needs {}, but {} {what}", path.display(), nearest.display());
    Some(problem(
        key,
        what,
        "let the server's user write there, or name another place",
    ))
}
