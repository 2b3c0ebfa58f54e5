//! What the operator's verbs work on: the database alone, so that they work next to a running server.

use std::{
    io::{self, Read as _},
    sync::Arc,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{CliError, Global};
use crate::{
    app::{self, BuildError, Surroundings},
    application::{
        Ports,
        administration::Acting,
        ports::{HashError, Rng, Sealer, Store as _},
        registrar::{GetSealer, Registrar, RegistrarError},
    },
    config::Config,
    infrastructure::{
        jose::validate_client_jwks,
        kek::{Kek, Seal},
        sql::{self, migrate},
    },
};

/// Opens the database that the configuration names.
pub(super) async fn open(global: &Global) -> Result<(Registrar, Config), CliError> {
    let config = global.load()?;
    if let Some(file) = sql::missing_file(config.database.url.expose_secret()) {
        let message = format!("there is no database yet at {}", file.display());
        return Err(CliError::failed(message).hint("run first: countersign migrate up"));
    }
    let store = app::open_sql(&config).await?;
    if !migrate::pending(&store).await?.is_empty() {
        return Err(CliError::failed("the database schema is not up to date")
            .hint("run first: countersign migrate up"));
    }
    let Surroundings {
        clock,
        rng,
        passwords,
    } = Surroundings::of(&config).map_err(BuildError::from)?;
    let store = Arc::new(store);
    let is_new = store.reader().signing_keys().await?.is_empty();
    let sealer = sealer(&config, &rng, is_new);
    let registrar = Registrar {
        store,
        passwords,
        clock,
        rng,
        sealer,
        check_jwks,
        acting: Acting::Operator,
    };
    Ok((registrar, config))
}

/// Few commands seal anything. As at the first start of a server, the key-encryption key is made where
/// nothing was sealed yet.
fn sealer(config: &Config, rng: &Arc<dyn Rng>, is_new: bool) -> GetSealer {
    let (keys, rng) = (config.keys.clone(), rng.clone());
    Arc::new(move || {
        let kek = if is_new && keys.kek_file.is_none() {
            Kek::load_or_create(&keys.directory, &*rng)
        } else {
            Kek::load(&keys.kek_path())
        };
        let kek = Arc::new(kek.map_err(|error| error.to_string())?);
        let rng = rng.clone();
        Ok(Arc::new(Seal { kek, rng }) as Arc<dyn Sealer>)
    })
}

/// The same on the stores of a provider in this process.
pub(super) fn of(ports: &Ports) -> Registrar {
    Registrar::of(ports, Acting::Operator)
}

fn check_jwks(jwks: &Value) -> Result<(), String> {
    validate_client_jwks(jwks).map_err(|error| error.to_string())
}

/// A secret on standard input: everything up to the end, without the last line break.
pub(super) fn secret_from_stdin() -> Result<SecretString, CliError> {
    const MOST: u64 = 64 * 1024;
    let mut text = String::new();
    io::stdin()
        .take(MOST)
        .read_to_string(&mut text)
        .map_err(|error| CliError::failed(format!("cannot read standard input: {error}")))?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    Ok(SecretString::from(secret))
}

/// A new password, typed twice without an echo.
pub(super) fn ask_password() -> Result<SecretString, CliError> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt).map_err(|error| {
            CliError::usage(format!("cannot ask for a password: {error}"))
                .hint("where there is no terminal, use --password-stdin")
        })
    };
    let password = ask("New password: ")?;
    if ask("Once more: ")? != password {
        return Err(CliError::usage("the passwords differ"));
    }
    Ok(SecretString::from(password))
}

/// How a verb gets a password.
#[derive(Debug, clap::Args)]
pub(super) struct PasswordSource {
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    pub(super) fn read(&self) -> Result<SecretString, CliError> {
        if self.password_stdin {
            secret_from_stdin()
        } else {
            ask_password()
        }
    }
}

impl From<RegistrarError> for CliError {
    fn from(error: RegistrarError) -> Self {
        let text = error.to_string();
        match error {
            RegistrarError::Invalid { .. } => Self::usage(text),
            RegistrarError::NotFound(what, _) => {
                Self::not_found(text).hint(format!("see what there is: countersign {what} list"))
            }
            RegistrarError::Exists(_) => Self::exists(text).hint("choose another name"),
            RegistrarError::Lacks(_)
            | RegistrarError::Beyond(_)
            | RegistrarError::Stale
            | RegistrarError::LastOwner
            | RegistrarError::Hash(HashError::Corrupt | HashError::Unscreened) => {
                Self::failed(text)
            }
            RegistrarError::Store(error) => error.into(),
            RegistrarError::Hash(HashError::Busy) => Self::unavailable(text),
        }
    }
}
