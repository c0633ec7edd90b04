//! `hanse man`: the manual pages.

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::failure::{Exit, Failure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the pages of all commands into a directory
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let failed = |e: std::io::Error| Failure::io("the manual pages cannot be written", &e);
        let command = Cli::command();
        if let Some(directory) = self.dir {
            std::fs::create_dir_all(&directory).map_err(failed)?;
            clap_mangen::generate_to(command, &directory).map_err(failed)?;
            return Ok(Exit::OK);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(failed)?;
        output::data(&String::from_utf8_lossy(&page))?;
        Ok(Exit::OK)
    }
}
