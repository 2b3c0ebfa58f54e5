//! The demo passwords and secrets: generated once, kept in a file for later starts.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{application::ports::Rng, cli::CliError};

const FILE: &str = "dev-credentials.json";

/// What the demo user and clients log in with.
#[derive(Serialize, Deserialize)]
pub(super) struct Credentials {
    pub(super) password: String,
    pub(super) web_secret: String,
    pub(super) service_secret: String,
    pub(super) playground_secret: String,
}

/// Whether credentials were just generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// They were: whatever an earlier start registered has others.
    New,
    /// They are those of an earlier start.
    Kept,
}

impl Credentials {
    /// Those of an earlier start; else new ones, written before anything is registered with them,
    /// so that a start that is cut short can be repeated.
    pub(super) fn load_or_make(data: &Path, rng: &dyn Rng) -> Result<(Self, Freshness), CliError> {
        let file = data.join(FILE);
        let failed = |error: &dyn std::fmt::Display| {
            CliError::failed(format!("cannot use {}: {error}", file.display()))
                .hint("remove it to have new ones made")
        };
        match std::fs::read(&file) {
            Ok(bytes) => {
                let kept = serde_json::from_slice(&bytes).map_err(|error| failed(&error))?;
                Ok((kept, Freshness::Kept))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = Self::make(rng);
                let bytes = serde_json::to_vec_pretty(&made).map_err(|error| failed(&error))?;
                write_private(&file, &bytes).map_err(|error| failed(&error))?;
                Ok((made, Freshness::New))
            }
            Err(error) => Err(failed(&error)),
        }
    }

    fn make(rng: &dyn Rng) -> Self {
        Self {
            // Short enough to type.
            password: random::<12>(rng),
            web_secret: random::<32>(rng),
            service_secret: random::<32>(rng),
            playground_secret: random::<32>(rng),
        }
    }
}

/// So many random bytes, base64url.
fn random<const BYTES: usize>(rng: &dyn Rng) -> String {
    let mut bytes = [0_u8; BYTES];
    rng.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    out.write_all(bytes)?;
    out.sync_all()
}
