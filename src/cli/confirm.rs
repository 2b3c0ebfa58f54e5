//! What cannot be taken back is asked for first.

use std::io::{self, IsTerminal as _};

use super::CliError;

/// Whether the operator has already said yes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Confirm {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Confirm {
    /// Asks on the terminal. Without one nothing happens unless `--yes` was given.
    pub(super) fn ask(self, question: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(
                CliError::usage(format!("{question} Nobody is here to answer"))
                    .hint("add --yes if that is what you want"),
            );
        }
        eprint!("{question} [y/N] ");
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .map_err(|error| CliError::failed(format!("cannot ask: {error}")))?;
        if matches!(line.trim(), "y" | "Y" | "yes" | "Yes") {
            Ok(())
        } else {
            Err(CliError::failed("nothing was changed"))
        }
    }
}
