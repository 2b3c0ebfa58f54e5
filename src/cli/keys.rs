//! `keys`: the signing keys.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{CliError, Global, confirm::Confirm, registrar};
use crate::{
    app,
    application::{commands::retire_key::retire_key, ports::Clock as _},
    domain::key::ServerKey,
    infrastructure::clock::SystemClock,
    protocol::jwks::{Phase, is_forgotten, phase},
};

#[derive(Debug, Subcommand)]
pub(super) enum KeysVerb {
    /// List the signing keys with their phases
    List,
    /// Begin the rotation of every key now
    ///
    /// The new keys are published at once and sign as soon as everybody can know them.
    Rotate,
    /// Take a key out of use at once, as after a leak
    ///
    /// Nothing that it signed is believed any more: access tokens end, and applications that verify by
    /// themselves refuse them once they have read the keys again. Running servers follow within a second.
    /// Example: countersign keys retire KID --yes
    Retire {
        /// The key, as `keys list` shows it
        kid: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Take a private key (PEM or JWK) in as the next one to sign
    ///
    /// Example: countersign keys import key.pem
    Import {
        /// The file; nobody but you may read it
        file: PathBuf,
    },
}

pub(super) async fn run(global: &Global, verb: KeysVerb) -> Result<(), CliError> {
    match verb {
        KeysVerb::List => list(global, &stored(global).await?),
        KeysVerb::Rotate => {
            let ring = app::open_keys(&global.load()?).await?;
            ring.rotate_now().await.map_err(app::BuildError::from)?;
            list(global, &ring.keys())
        }
        KeysVerb::Retire { kid, confirm } => {
            let (registrar, config) = registrar::open(global).await?;
            confirm.ask(&format!(
                "Take {kid} out of use? Every token that it signed ends."
            ))?;
            retire_key(&registrar, &kid).await?;
            list(global, &app::open_keys(&config).await?.keys())
        }
        KeysVerb::Import { file } => {
            let ring = app::open_keys(&global.load()?).await?;
            let text = read_private(&file)?;
            ring.import(&text).await.map_err(app::BuildError::from)?;
            list(global, &ring.keys())
        }
    }
}

/// The keys as they are: who looks at them makes none, and needs nothing to open them with.
async fn stored(global: &Global) -> Result<Vec<ServerKey>, CliError> {
    let (registrar, _) = registrar::open(global).await?;
    let mut keys = registrar.store.reader().signing_keys().await?;
    let now = SystemClock.now();
    keys.retain(|key| !is_forgotten(key, now));
    Ok(keys)
}

fn list(global: &Global, keys: &[ServerKey]) -> Result<(), CliError> {
    let now = SystemClock.now();
    let word = |key| match phase(key, now) {
        Phase::Published => "published",
        Phase::Active => "active",
        Phase::Retiring => "retiring",
        Phase::Dead => "dead",
    };
    let lines: Vec<_> = keys
        .iter()
        .map(|key| format!("{:6} {:10} {}", key.algorithm.as_str(), word(key), key.kid))
        .collect();
    let json: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "kid": key.kid,
                "algorithm": key.algorithm,
                "phase": word(key),
                "published_at": key.published_at,
                "active_at": key.active_at,
                "retires_at": key.retires_at,
                "dead_at": key.dead_at,
            })
        })
        .collect();
    global.output().print(&json.into(), lines.join("\n"))
}

/// A private key that others can read is no longer private.
fn read_private(file: &PathBuf) -> Result<String, CliError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error: std::io::Error| {
        CliError::failed(format!("cannot read {}: {error}", file.display()))
    };
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(
            CliError::failed(format!("others can read {}", file.display()))
                .hint(format!("chmod 600 {}", file.display())),
        );
    }
    std::fs::read_to_string(file).map_err(failed)
}
