//! `state`: the short-lived state of a node without Redis.

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global, confirm::Confirm};
use crate::{
    application::ports::Clock as _,
    config::StateConfig,
    infrastructure::{
        clock::SystemClock,
        state::{OpenError, set_aside},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum StateVerb {
    /// Put the state directory aside and begin an empty one
    ///
    /// For a directory that is damaged. It holds sign-ins, codes, refresh tokens and counters: people
    /// sign in again, applications ask for new refresh tokens. Accounts, clients and keys are not in it,
    /// and nothing that was revoked comes back. The old directory is kept beside the new one; delete it
    /// when nobody wants to look into it any more.
    ///
    /// Stop the server first. Example: countersign state reset --yes
    Reset {
        #[command(flatten)]
        confirm: Confirm,
    },
}

pub(super) fn run(global: &Global, verb: &StateVerb) -> Result<(), CliError> {
    match verb {
        StateVerb::Reset { confirm } => reset(global, *confirm),
    }
}

fn reset(global: &Global, confirm: Confirm) -> Result<(), CliError> {
    let StateConfig::Embedded(directory) = global.load()?.state else {
        return Err(
            CliError::usage("state is kept on a Redis server, not in a directory")
                .hint("to forget all sessions there: redis-cli FLUSHDB"),
        );
    };
    let shown = directory.display();
    confirm.ask(&format!(
        "Put {shown} aside? Everybody signs in again, and refresh tokens end."
    ))?;
    let suffix = format!(".aside-{}", SystemClock.now().0);
    let aside = set_aside(&directory, &suffix).map_err(|error| match &error {
        OpenError::Locked { .. } => {
            CliError::unavailable(format!("a server works with the state directory {shown}"))
                .hint("stop it first")
        }
        OpenError::Damaged { .. } | OpenError::Failed { .. } => CliError::failed(error.to_string()),
    })?;
    let json = json!({ "directory": directory, "aside": aside });
    let text = match &aside {
        Some(aside) => format!(
            "{shown} is empty; what was in it is now in {}",
            aside.display()
        ),
        None => format!("nothing to do: there is nothing in {shown}"),
    };
    global.output().print(&json, text)
}
