//! `hanse completion`: the completion script of a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{Exit, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "For bash: source <(hanse completion bash)\n\
    For zsh: hanse completion zsh > \"${fpath[1]}/_hanse\"\n\
    For fish: hanse completion fish > ~/.config/fish/completions/hanse.fish")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "hanse", &mut script);
        output::data(&String::from_utf8_lossy(&script))?;
        Ok(Exit::OK)
    }
}
