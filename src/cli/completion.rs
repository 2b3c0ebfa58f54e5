//! `completion`: scripts that shells load.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, CliError};

/// Print a completion script for a shell.
///
/// Example: countersign completion bash > ~/.local/share/bash-completion/completions/countersign
#[derive(Debug, clap::Args)]
pub(super) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut command = Cli::command();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "countersign", &mut script);
        std::io::Write::write_all(&mut std::io::stdout(), &script)
            .map_err(|error| CliError::unprinted(&error))
    }
}
