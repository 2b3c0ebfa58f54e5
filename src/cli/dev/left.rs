//! The configuration that `dev` leaves beside its data, so that every other verb finds it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{self, Path, PathBuf},
};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use secrecy::ExposeSecret as _;
use toml::Value;

use crate::{
    cli::CliError,
    config::{Config, StateConfig},
};

const FILE: &str = "countersign.toml";

/// What would end the path of a SQLite URL or is read as an escape there.
const NOT_IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#');

/// The URL of a SQLite file that is made where it is missing.
pub(super) fn sqlite_url(file: &Path) -> String {
    let path = file.display().to_string();
    let path = utf8_percent_encode(&path, NOT_IN_PATH);
    format!("sqlite://{path}?mode=rwc")
}

/// Writes the configuration anew, for the port of this start, and says where it is.
pub(super) fn leave(data: &Path, config: &Config, port: u16) -> Result<PathBuf, CliError> {
    let file = data.join(FILE);
    let failed = |error| CliError::failed(format!("cannot write {}: {error}", file.display()));
    let absolute = path::absolute(&file).map_err(failed)?;
    let draft = data.join(".countersign.toml.new");
    write_private(&draft, &text(config, port)).map_err(failed)?;
    fs::rename(&draft, &file).map_err(failed)?;
    Ok(absolute)
}

fn text(config: &Config, port: u16) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let path = |path: &Path| quoted(&path.display().to_string());
    let state = match &config.state {
        StateConfig::Embedded(directory) => path(directory),
        StateConfig::Redis(_) => "\"\"".to_owned(),
    };
    format!(
        "# Written by `countersign dev` at every start: changes are lost.\n\
         issuer = {issuer}\n\
         [server]\naddress = \"127.0.0.1\"\nport = {port}\n\
         [database]\nurl = {database}\n\
         [state]\ndirectory = {state}\n\
         [keys]\ndirectory = {keys}\n\
         [log]\nformat = \"compact\"\n",
        issuer = quoted(config.issuer.as_str()),
        database = quoted(config.database.url.expose_secret()),
        keys = path(&config.keys.directory),
    )
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    out.write_all(text.as_bytes())
}
